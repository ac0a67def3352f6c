//! What a concatenation drops, converts or replaces, for people and for `inspect --json`.

use serde::Serialize;

/// Something that a reader of the result would not expect from reading the inputs. Serialised with
/// its kind in `notice`, in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "notice", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// The label replaces a column that the inputs have.
    LabelReplacesColumn {
        /// Path of the column.
        element: String,
    },
    /// An inner join keeps no name: no name is in all inputs.
    NothingInCommon {
        /// Path of the axis.
        element: String,
        /// The first name of some inputs, with the file.
        examples: Vec<String>,
        /// Why that may be.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Columns of inputs that have the names of other inputs.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        agreeing: Vec<String>,
    },
    /// An outer join puts inputs together that share few names or none, so that what is the same
    /// may stand in it twice.
    FewNamesShared {
        /// Path of the axis.
        element: String,
        /// Inputs that share names with one another, and few or none with those of other kinds.
        kinds: Vec<NamesOfAKind>,
        /// Why that may be.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Columns of inputs that have the names of other inputs.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        agreeing: Vec<String>,
    },
    /// An inner join drops names that not every input has.
    NamesDropped {
        /// Path of the axis.
        element: String,
        /// How many names are kept.
        kept: u64,
        /// How many names are lost, of how many, in which file; the largest loss first.
        lost: Vec<String>,
        /// Who costs most, if it is not all alike.
        #[serde(skip_serializing_if = "Option::is_none")]
        costs_most: Option<CostsMost>,
        /// How many names some input has and the result has not.
        num_names: u64,
        /// The first of them.
        names: Vec<String>,
    },
    /// One file or store is there more than once.
    SameInput {
        /// Its paths.
        files: Vec<String>,
    },
    /// An input says of itself that a program has it open for writing.
    OpenForWriting {
        /// The file.
        file: String,
    },
    /// Bytes of an input lie in another file, which is read too.
    OtherFile {
        /// The input.
        file: String,
        /// The file that it leads to.
        other: String,
    },
    /// Inputs were given keys that nothing in the result shows.
    KeysUnused {
        /// The keys.
        keys: Vec<String>,
    },
    /// `X` is left out: not every input has one, and the join is inner.
    XLeftOut {
        /// Files without `X`.
        missing_in: Vec<String>,
    },
    /// `X` is filled where an input has none.
    XFilled {
        /// Files without `X`.
        missing_in: Vec<String>,
    },
    /// `raw` is left out: not every input has one.
    RawLeftOut {
        /// Files without `raw`.
        missing_in: Vec<String>,
    },
    /// An element is left out because nothing can combine it.
    LeftOut {
        /// Path of the element.
        element: String,
        /// Why.
        reason: String,
    },
    /// Elements of the other axis or of `uns` are not kept, because no strategy was given.
    NotMerged {
        /// Paths of the elements.
        elements: Vec<String>,
        /// The option that would keep them.
        option: &'static str,
    },
    /// What describes the names of `raw` is not kept: `anndata.concat` merges nothing of `raw`.
    RawNotMerged {
        /// Paths of the elements.
        elements: Vec<String>,
    },
    /// Elements of the other axis get missing values, for names that the input lacks whose values
    /// are kept.
    MergedWithGaps {
        /// Paths of the elements.
        elements: Vec<String>,
        /// What they are in the input.
        from: String,
        /// What they become, perhaps the same.
        to: String,
    },
    /// Elements are not kept, because the join is inner and some inputs lack them.
    NotInAll {
        /// Paths of the elements.
        elements: Vec<String>,
    },
    /// Elements are not kept, because the inputs do not agree in what the strategy asks for.
    NotAgreed {
        /// Paths of the elements.
        elements: Vec<String>,
        /// The strategy, as an option.
        option: &'static str,
    },
    /// An array keeps its first columns only: the join is inner, and some input has no more.
    ColumnsCut {
        /// Path of the array.
        element: String,
        /// How many are kept.
        kept: u64,
    },
    /// Records of an awkward array keep the fields that every input has.
    FieldsNotInAll {
        /// Path of the array.
        element: String,
        /// The fields that are left out.
        fields: Vec<String>,
    },
    /// Entries of dense arrays that an input lacks are filled with NaN.
    FilledWithNan {
        /// Paths of the arrays.
        elements: Vec<String>,
    },
    /// Arrays get another dtype.
    ArraysConverted {
        /// Paths of the arrays.
        elements: Vec<String>,
        /// The dtypes that they have in the inputs.
        from: Vec<String>,
        /// The dtype of the result.
        to: String,
        /// What brings it about: dtypes, and in which files.
        because: Vec<String>,
    },
    /// Matrices stay CSC, as all inputs have them, though the result is concatenated by rows.
    StaysCsc {
        /// Paths of the matrices.
        elements: Vec<String>,
    },
    /// Names are in the result more than once.
    NamesNotUnique {
        /// Path of the axis.
        element: String,
        /// How many distinct names are there more than once.
        num_names: u64,
        /// Some of them, with the files that they are in.
        examples: Vec<String>,
        /// Whether different inputs have the same name.
        across_inputs: bool,
    },
    /// An output that is not compressed takes several times the space of its inputs.
    PlainOutput {
        /// Bytes of the numbers of the output.
        len_bytes: u64,
        /// Bytes of all inputs.
        input_bytes: u64,
    },
    /// Columns get another type; integers of another size are not told.
    ColumnsConverted {
        /// Paths of the columns.
        elements: Vec<String>,
        /// What they are in the inputs.
        from: Vec<String>,
        /// What they become.
        to: String,
        /// Whether some input lacks them.
        missing: bool,
        /// In which files they are what, where they are not the same in all.
        because: Vec<String>,
    },
    /// Pairwise elements are not kept.
    PairwiseNotKept {
        /// Paths of the elements.
        elements: Vec<String>,
    },
    /// A column that mixes kinds is written as text.
    ColumnBecomesText {
        /// Path of the column.
        element: String,
        /// The kinds it mixes.
        kinds: Vec<String>,
    },
    /// Text of which some is missing stays text: its distinct values are too many for categories.
    TooManyCategories {
        /// Path of the column.
        element: String,
        /// Bytes that distinct values may take.
        most_bytes: u64,
    },
    /// A column of nullable integers and floats is written as floats with NaN.
    NullableBecomesFloat {
        /// Path of the column.
        element: String,
    },
    /// A boolean array becomes numbers because values are introduced that are no booleans.
    BoolBecomesNumber {
        /// Path of the element.
        element: String,
        /// The new dtype.
        dtype: String,
    },
    /// A pattern matches no element of any input.
    PatternUnused {
        /// `--drop` or `--keep`.
        option: &'static str,
        /// The pattern.
        pattern: String,
    },
    /// Files hold parts that AnnData does not have.
    PartsUnknown {
        /// Paths of the parts.
        elements: Vec<String>,
        /// The files.
        files: Vec<String>,
    },
    /// Nothing is filled with the fill value.
    FillUnused {
        /// Why.
        because: String,
    },
    /// Inputs hold one matrix in several encodings; some are converted.
    SparseConverted {
        /// Path of the element.
        element: String,
        /// The encoding of the result.
        to: &'static str,
        /// Files whose matrix is converted.
        files: Vec<String>,
    },
}

/// Inputs whose names are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NamesOfAKind {
    /// The files.
    pub files: Vec<String>,
    /// A name of the first.
    pub example: String,
}

/// Inputs without which an inner join would keep more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CostsMost {
    /// The files.
    pub files: Vec<String>,
    /// How many names each of them has.
    pub lens: Vec<u64>,
    /// How many names all other inputs have.
    pub kept_without: u64,
}

impl Notice {
    /// Adds this notice to others. What happens to several elements alike is told once.
    pub fn tell(mut self, notices: &mut Vec<Self>) {
        let Some(more) = self.shared_elements().map(std::mem::take) else {
            notices.push(self);
            return;
        };
        for known in &mut *notices {
            let Some(own) = known.shared_elements().map(std::mem::take) else { continue };
            let is_alike = *known == self;
            let Some(elements) = known.shared_elements() else { continue };
            *elements = own;
            if is_alike {
                elements.extend(more);
                return;
            }
        }
        if let Some(elements) = self.shared_elements() {
            *elements = more;
        }
        notices.push(self);
    }

    /// The elements of a notice that is told once for all of them.
    const fn shared_elements(&mut self) -> Option<&mut Vec<String>> {
        match self {
            Self::NotInAll { elements }
            | Self::FilledWithNan { elements }
            | Self::ArraysConverted { elements, .. }
            | Self::ColumnsConverted { elements, .. }
            | Self::MergedWithGaps { elements, .. }
            | Self::StaysCsc { elements } => Some(elements),
            _ => None,
        }
    }
}
