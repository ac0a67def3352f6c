//! The seam between formats and bytes: everything above reads through these traits.

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;

use super::identity::Identity;
use crate::base::ReadError;

/// The bytes of one thing that is read: a file; later a remote object, or an entry of an archive.
///
/// # What holds
/// - Every read that succeeds returned bytes of the source as it was when it was opened. A source that
///   has changed fails with [`ReadError::Changed`] from then on; it never gives bytes of both.
/// - [`Self::len`] and [`Self::identity`] never change and read nothing.
/// - All methods may be called from any thread at once. A source that is not read holds no
///   descriptor, so that there may be more of them than a process may have files open.
///
/// # What may fail
/// Every read, at any time, also after others of the same bytes have succeeded: the network, the disk,
/// the change of the source. A failure says nothing of later reads but for [`ReadError::Changed`].
/// The element that an error names is empty: who knows it adds it ([`ReadError::within`]).
///
/// # What it costs
/// A read is one request: of a local file one `pread` and one `fstat`, and another `stat` when the path
/// was last looked at more than 100 ms ago. Remote sources will pay a round trip: who needs
/// neighbouring pieces asks for them at once, and who knows what it will need soon says so by
/// [`Self::will_read`].
pub trait Source: Debug + Send + Sync {
    /// What names it in errors: of a local file, its absolute path.
    fn path(&self) -> &Path;

    /// Length in bytes.
    fn len(&self) -> u64;

    /// True for a source of no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it was when it was opened.
    fn identity(&self) -> Identity;

    /// Fills `out` with the bytes at `offset`.
    ///
    /// # Errors
    /// [`ReadError::Changed`]; [`ReadError::Corrupt`] when the source ends before; or what the system
    /// says.
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError>;

    /// As [`Self::read_exact_at`], of bytes by which the source is recognized: headers, indexes. What
    /// derives everything else from them is remembered by its hash, and compared when only that can
    /// tell a touched source from a changed one.
    ///
    /// # Errors
    /// As [`Self::read_exact_at`].
    fn read_metadata_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError>;

    /// Compares the source with what it was when it was opened.
    ///
    /// # Errors
    /// [`ReadError::Changed`], or what the system says.
    fn verify(&self) -> Result<(), ReadError>;

    /// These ranges will be read soon, in this order. A hint: nothing fails, nothing waits, and what
    /// lies past the end is passed over.
    fn will_read(&self, ranges: &[Range<u64>]);
}

/// The bytes at `offset`. The length is compared with the source's before it is allocated.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub fn read_vec_at(
    source: &dyn Source,
    offset: u64,
    len_bytes: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut out = vec_within(source, len_bytes)?;
    source.read_exact_at(offset, &mut out)?;
    Ok(out)
}

/// As [`read_vec_at`], by [`Source::read_metadata_at`].
///
/// # Errors
/// As [`Source::read_exact_at`].
pub fn read_metadata_vec_at(
    source: &dyn Source,
    offset: u64,
    len_bytes: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut out = vec_within(source, len_bytes)?;
    source.read_metadata_at(offset, &mut out)?;
    Ok(out)
}

/// A buffer of a length that was read somewhere, which is no more than the source has.
fn vec_within(source: &dyn Source, len_bytes: usize) -> Result<Vec<u8>, ReadError> {
    if len_bytes as u64 > source.len() {
        source.verify()?;
        return Err(ReadError::corrupt(
            source.path(),
            "",
            format!("a block of {len_bytes} bytes is recorded, more than the file has"),
        ));
    }
    Ok(vec![0; len_bytes])
}

/// What bytes of a source are read that it does not have.
pub(super) fn past_end(path: &Path, offset: u64, len_bytes: u64, has: u64) -> ReadError {
    ReadError::corrupt(
        path,
        "",
        format!(
            "{len_bytes} bytes are expected at {offset}, but the file has only {has}\n  hint: the \
             file is truncated or damaged; copy it again"
        ),
    )
}

/// Files below one directory, by key: their names from there on, joined by `/`; the directory itself
/// has the empty key.
///
/// # What holds
/// As of a [`Source`]: what is read of any file is what it held when the directory was opened, or the
/// outcome is [`ReadError::Changed`]; so is a file that was there and is gone, and one that was not
/// there and is now.
///
/// A key never leads out of the directory, also not through links, unless
/// [`External::Follow`](super::External) says that it may: the outcome is then [`ReadError::Unsupported`], and names
/// the other file.
/// What is no regular file (a pipe, a device) is an error at once; nothing waits for its other end.
///
/// # What it costs
/// [`Self::identify`] looks at every file once, and reads none. [`Self::open`] opens one file.
pub trait Directory: Debug + Send + Sync {
    /// The directory, as it was named: for errors.
    fn path(&self) -> &Path;

    /// Looks at all files, and remembers them.
    ///
    /// # Errors
    /// What the system says.
    fn identify(&self) -> std::io::Result<Found>;

    /// What is below a key, in no order. [`std::io::ErrorKind::NotFound`] when nothing is there.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, key: &str) -> std::io::Result<Listing>;

    /// All bytes of a small file, such as a metadata document; `None` when there is none.
    ///
    /// # Errors
    /// What the system says; a file that is none, or of another directory.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError>;

    /// A file to read from; `None` when there is none, and was none.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`].
    fn open<'a>(&'a self, key: &str) -> Result<Option<Box<dyn Source + 'a>>, ReadError>;

    /// Compares a file, or its absence, with what was there at first.
    ///
    /// # Errors
    /// [`ReadError::Changed`], or what the system says.
    fn verify(&self, key: &str) -> Result<(), ReadError>;
}

/// What is known of a directory once all of its files were looked at.
#[derive(Debug, Clone)]
pub struct Found {
    /// Of all files together.
    pub identity: Identity,
    /// Links that lead to other files.
    pub outside: Vec<Outside>,
    /// A file's time stamp lies in the future: changes until then may go unnoticed.
    pub is_from_future: bool,
}

/// A link that leads out of its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Where the link is.
    pub key: String,
    /// What it leads to.
    pub other: std::path::PathBuf,
}

impl std::fmt::Display for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} leads to {}, another file that was not named\n  hint: {FOLLOW_HINT}",
            self.key,
            self.other.display()
        )
    }
}

/// What to do about bytes in a file that was not named.
pub const FOLLOW_HINT: &str =
    "--follow-external reads such files too, and watches them like the input itself";

/// What is in one directory.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The same for no other directory, however it was come by: links may lead back.
    pub id: (u64, u64),
    /// Names of what is no regular file: directories, and links, which may lead to some.
    pub directories: Vec<String>,
}
