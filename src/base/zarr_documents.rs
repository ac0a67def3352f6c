//! Names of zarr's documents: the files of a store that say what it holds.

/// Documents of version 2.
pub const V2: [&str; 4] = [".zgroup", ".zarray", ".zattrs", ".zmetadata"];

/// Documents of version 3.
pub const V3: [&str; 1] = ["zarr.json"];

/// Documents of any version.
pub const ALL: [&str; 5] = {
    let ([group, array, attrs, consolidated], [v3]) = (V2, V3);
    [v3, group, array, attrs, consolidated]
};

/// Documents of which any makes a directory a store. Attributes alone do not say of what they are.
pub const OF_A_STORE: [&str; 4] = {
    let ([group, array, _, consolidated], [v3]) = (V2, V3);
    [v3, group, array, consolidated]
};
