//! Notices as sentences: what happens to which element, why, and what would keep it.

use std::fmt;

use super::notice::{CostsMost, NamesOfAKind, Notice};

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LabelReplacesColumn { element } => write!(
                f,
                "{element}: the label replaces the column of this name\n  \
                 hint: choose another --label to keep it"
            ),
            Self::NothingInCommon { element, examples, reason, agreeing } => {
                write!(
                    f,
                    "{element} is empty in the result: no name is in all inputs ({}){}",
                    FirstFew(examples),
                    Because(reason.as_deref())
                )?;
                match agreeing.is_empty() {
                    true => f.write_str(
                        "\n  hint: give all files the same kind of names, or keep all with --join \
                         outer",
                    ),
                    false => write!(f, "{}", Agreeing(agreeing)),
                }
            }
            Self::FewNamesShared { element, kinds, reason, agreeing } => {
                let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{element} holds names of inputs that share few or none, so what is the same \
                     may be there twice: {}{}",
                    FirstFew(&kinds),
                    Because(reason.as_deref())
                )?;
                match agreeing.is_empty() {
                    true => f.write_str("\n  hint: give all files the same kind of names"),
                    false => write!(f, "{}", Agreeing(agreeing)),
                }
            }
            Self::NamesDropped { element, kept, lost, costs_most, num_names, .. } => {
                write!(f, "{element} keeps the {kept} names that every input has")?;
                match costs_most {
                    Some(costly) => write!(f, " and loses {num_names}; {costly}")?,
                    None => write!(f, "; lost are {}", FirstFew(lost))?,
                }
                f.write_str(
                    "\n  hint: --join outer keeps all, filled where they are missing; \
                     --list-dropped FILE lists what is lost",
                )
            }
            Self::OpenForWriting { file } => write!(
                f,
                "{file} says that a program has it open for writing, or had when it ended; what is \
                 written there meanwhile may go unnoticed"
            ),
            Self::OtherFile { file, other } => {
                write!(f, "{file} leads to {other}, which is read as part of it")
            }
            Self::SameInput { files } => write!(
                f,
                "the same input is there more than once: {}\n  \
                 hint: leave it out where its rows are not meant to be repeated",
                FirstFew(files)
            ),
            Self::KeysUnused { keys } => write!(
                f,
                "the keys are not in the result: {}\n  \
                 hint: --label COLUMN keeps them in a column, --index-unique SEP in the names",
                FirstFew(keys)
            ),
            Self::XLeftOut { missing_in } => write!(
                f,
                "/X is left out: there is none in {}\n  \
                 hint: --join outer keeps it, filled where it is missing",
                FirstFew(missing_in)
            ),
            Self::XFilled { missing_in } => {
                write!(f, "/X is filled for {}, which has none", FirstFew(missing_in))
            }
            Self::RawLeftOut { missing_in } => write!(
                f,
                "/raw is left out: there is none in {}\n  \
                 hint: set adata.raw in these files, or leave them out",
                FirstFew(missing_in)
            ),
            Self::LeftOut { element, reason } => write!(f, "{element} is left out: {reason}"),
            Self::NotMerged { elements, option } => write!(
                f,
                "not kept: {}\n  hint: {option} same|unique|first|only keeps them by that rule",
                FirstFew(elements)
            ),
            Self::RawNotMerged { elements } => write!(
                f,
                "not kept, because of raw only the matrix and the names are concatenated: {}\n  \
                 hint: in /var and /varm, --merge keeps them",
                FirstFew(elements)
            ),
            Self::MergedWithGaps { elements, from, to } => {
                write!(f, "{from} ")?;
                match from == to {
                    true => f.write_str("get missing values")?,
                    false => write!(f, "become {to} with missing values")?,
                }
                write!(f, ", where the input they are from lacks a name: {}", FirstFew(elements))
            }
            Self::NotInAll { elements } => write!(
                f,
                "not kept, because not every input has them: {}\n  \
                 hint: --join outer keeps them, filled where they are missing",
                FirstFew(elements)
            ),
            Self::NotAgreed { elements, option } => write!(
                f,
                "not kept, because the inputs do not agree in them ({option}): {}",
                FirstFew(elements)
            ),
            Self::ColumnsCut { element, kept } => write!(
                f,
                "{element} keeps its first {kept} columns, as many as every input has (columns \
                 without names are joined by position)\n  \
                 hint: --join outer keeps all, filled where they are missing"
            ),
            Self::FieldsNotInAll { element, fields } => write!(
                f,
                "{element} loses fields of its records that not every input has: {}\n  \
                 hint: --join outer keeps the records of each input as they are",
                FirstFew(fields)
            ),
            Self::FilledWithNan { elements } => write!(
                f,
                "entries that an input lacks become NaN: {}\n  \
                 hint: --fill-value 0 fills dense arrays with zeros",
                FirstFew(elements)
            ),
            Self::ArraysConverted { elements, from, to, because } => {
                let from = from.join(" with ");
                write!(
                    f,
                    "arrays of {from} become {to}: {} ({})",
                    FirstFew(elements),
                    because.join(", ")
                )
            }
            Self::StaysCsc { elements } => write!(
                f,
                "stored by columns (csc_matrix), as in all inputs: {}\n  \
                 hint: training loaders and others that read rows want --sparse-format csr",
                FirstFew(elements)
            ),
            Self::NamesNotUnique { element, num_names, examples, across_inputs } => {
                write!(
                    f,
                    "{element}: names that are there more than once: {num_names}, as {}\n  hint: ",
                    FirstFew(examples)
                )?;
                match across_inputs {
                    true => f.write_str("--index-unique SEP appends the input's key to each name"),
                    false => {
                        let axis = element.trim_start_matches('/');
                        write!(f, "make them unique in the file (adata.{axis}_names_make_unique())")
                    }
                }
            }
            Self::PlainOutput { len_bytes, input_bytes } => write!(
                f,
                "the output is not compressed and takes {:.1} times the space of the inputs: \
                 {:.1} MB, {:.1} MB\n  hint: --compression gzip, or lzf, which is faster",
                *len_bytes as f64 / *input_bytes as f64,
                *len_bytes as f64 / 1e6,
                *input_bytes as f64 / 1e6
            ),
            Self::ColumnsConverted { elements, from, to, missing, because } => {
                let why = if *missing { ", because some inputs lack them" } else { "" };
                let from = from.join(" with ");
                write!(f, "columns of {from} become {to}{why}: {}", FirstFew(elements))?;
                match because.is_empty() {
                    true => Ok(()),
                    false => write!(f, " ({})", because.join(", ")),
                }
            }
            Self::TooManyCategories { element, most_bytes } => write!(
                f,
                "{element} stays text (nullable-string-array, which anndata reads from 0.11 on): its \
                 distinct values take more than {} MiB\n  \
                 hint: --missing-text categorical makes it categorical all the same",
                most_bytes >> 20
            ),
            Self::PairwiseNotKept { elements } => write!(
                f,
                "not kept: {}\n  hint: --pairwise keeps them, block-diagonal",
                FirstFew(elements)
            ),
            Self::ColumnBecomesText { element, kinds } => write!(
                f,
                "{element} mixes {} and becomes text\n  \
                 hint: give the column one type in every file to keep it",
                kinds.join(" with ")
            ),
            Self::NullableBecomesFloat { element } => write!(
                f,
                "{element} mixes nullable integers with floats and becomes floats with NaN"
            ),
            Self::BoolBecomesNumber { element, dtype } => {
                write!(f, "{element} is boolean with values introduced and becomes {dtype}")
            }
            Self::PatternUnused { option, pattern } => write!(
                f,
                "{option} {pattern:?} matches nothing in any input\n  \
                 hint: `anncat inspect` lists the elements by their paths"
            ),
            Self::PartsUnknown { elements, files } => write!(
                f,
                "not read, because AnnData has no such parts: {} (in {})",
                FirstFew(elements),
                FirstFew(files)
            ),
            Self::FillUnused { because } => {
                write!(f, "--fill-value has no effect: {because}")
            }
            Self::SparseConverted { element, to, files } => write!(
                f,
                "{element} becomes {to}: converted from another encoding in {}",
                FirstFew(files)
            ),
        }
    }
}

/// A reason, where there is one.
struct Because<'a>(Option<&'a str>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, "; {reason}"))
    }
}

/// What can be done where a column has the names of others.
struct Agreeing<'a>(&'a [String]);

impl fmt::Display for Agreeing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  hint: make such a column the names of its file: {}", FirstFew(self.0))
    }
}

impl fmt::Display for NamesOfAKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.files.first().map_or("", String::as_str);
        write!(f, "{:?} in {first}", self.example)?;
        match self.files.len() {
            0 | 1 => Ok(()),
            len => write!(f, " and {} more", len - 1),
        }
    }
}

impl fmt::Display for CostsMost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self
            .files
            .iter()
            .zip(&self.lens)
            .map(|(file, len)| format!("{file} ({len} names)"))
            .collect();
        let (verb, them) = if files.len() == 1 { ("costs", "it") } else { ("cost", "them") };
        write!(
            f,
            "{} {verb} most: without {them} {} would be kept",
            FirstFew(&files),
            self.kept_without
        )
    }
}

/// The first few of many.
pub struct FirstFew<'a>(pub &'a [String]);

/// The first of these, and how many more there are.
pub fn first_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

impl fmt::Display for FirstFew<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        f.write_str(&self.0[..self.0.len().min(SHOWN)].join(", "))?;
        if self.0.len() > SHOWN {
            write!(f, " and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}
