//! Draws text arrays made of text, codes and numbers, each with what it should hold.

use std::sync::Arc;

use super::compose::{Dice, codes, made as made_numbers};
use crate::array::*;
use crate::base::{DType, Dims};

const WORDS: [&str; 6] = ["a", "", "bé", "日本", "long text", "-1"];

/// A text array, and all of what it should hold.
pub(super) struct MadeText {
    pub(super) text: SharedText,
    pub(super) whole: Vec<String>,
}

/// A text array of this shape, of at most `depth` combinators one over another.
pub(super) fn made_text(dice: &mut Dice, shape: &[u64], depth: u32) -> MadeText {
    if depth == 0 {
        return leaf(dice, shape);
    }
    loop {
        let made = match dice.below(8) {
            0 | 1 => stacked(dice, shape, depth),
            2 => gathered(dice, shape, depth),
            3 => Some(suffixed(dice, shape, depth)),
            4 => columns(dice, shape, depth),
            5 => Some(reshaped(dice, shape, depth)),
            6 => lookup(dice, shape, depth),
            _ => formatted(dice, shape, depth),
        };
        if let Some(made) = made {
            assert_eq!(made.text.shape(), shape);
            return made;
        }
    }
}

fn leaf(dice: &mut Dice, shape: &[u64]) -> MadeText {
    let count = shape.iter().product::<u64>() as usize;
    if dice.below(4) == 0 {
        let word = dice.one(&WORDS);
        let whole = vec![word.to_owned(); count];
        return MadeText { text: FilledText::shared(shape, word), whole };
    }
    let whole: Vec<String> = (0..count).map(|_| dice.one(&WORDS).to_owned()).collect();
    let buf: TextBuf = whole.iter().map(String::as_str).collect();
    MadeText { text: Arc::new(MemoryText::new(shape, buf)), whole }
}

fn stacked(dice: &mut Dice, shape: &[u64], depth: u32) -> Option<MadeText> {
    let rows = *shape.first()?;
    let first = dice.below(rows + 1);
    let second = dice.below(rows - first + 1);
    let parts: Vec<MadeText> = [first, second, rows - first - second]
        .into_iter()
        .map(|extent| {
            let mut part = Dims::from(shape);
            part[0] = extent;
            made_text(dice, &part, depth - 1)
        })
        .collect();
    let whole = parts.iter().flat_map(|part| part.whole.clone()).collect();
    let parts = parts.into_iter().map(|part| part.text).collect();
    Some(MadeText { text: StackedText::shared(parts), whole })
}

fn gathered(dice: &mut Dice, shape: &[u64], depth: u32) -> Option<MadeText> {
    let &[target_len] = shape else { return None };
    let source_len = dice.below(7);
    let indexer = dice.indexer(source_len, target_len);
    let (source, fill) = (made_text(dice, &[source_len], depth - 1), dice.one(&WORDS));
    let whole = (0..target_len)
        .map(|at| indexer.get(at).map_or(fill, |from| &source.whole[from as usize]).to_owned())
        .collect();
    Some(MadeText { text: GatheredText::shared(source.text, &indexer, fill), whole })
}

fn suffixed(dice: &mut Dice, shape: &[u64], depth: u32) -> MadeText {
    let (source, suffix) = (made_text(dice, shape, depth - 1), dice.one(&WORDS));
    let whole = source.whole.iter().map(|text| format!("{text}{suffix}")).collect();
    MadeText { text: SuffixedText::shared(source.text, suffix), whole }
}

fn columns(dice: &mut Dice, shape: &[u64], depth: u32) -> Option<MadeText> {
    let (rows, width) = (*shape.first()?, *shape.get(1)?);
    let mut from = Dims::from(shape);
    from[1] += dice.below(3);
    let source = made_text(dice, &from, depth - 1);
    let inner = shape[2..].iter().product::<u64>() as usize;
    let (row, kept) = (from[1] as usize * inner, width as usize * inner);
    let whole = (0..rows as usize)
        .flat_map(|at| source.whole[at * row..at * row + kept].to_vec())
        .collect();
    Some(MadeText { text: TextColumns::shared(source.text, width), whole })
}

fn reshaped(dice: &mut Dice, shape: &[u64], depth: u32) -> MadeText {
    let count = shape.iter().product();
    let from =
        if dice.below(2) == 0 { Dims::from(&[count][..]) } else { Dims::from(&[1, count][..]) };
    let source = made_text(dice, &from, depth - 1);
    MadeText { text: ReshapedText::shared(source.text, shape), whole: source.whole }
}

fn lookup(dice: &mut Dice, shape: &[u64], depth: u32) -> Option<MadeText> {
    if shape.len() != 1 {
        return None;
    }
    let (codes, values, count) = codes(dice, shape, depth - 1);
    let (categories, missing) = (leaf(dice, &[count as u64]).whole, dice.one(&WORDS));
    let whole = values
        .iter()
        .map(|&code| usize::try_from(code).map_or(missing, |code| &categories[code]).to_owned())
        .collect();
    let categories: Arc<TextBuf> = Arc::new(categories.iter().map(String::as_str).collect());
    Some(MadeText { text: LookupText::shared(codes.array, categories, missing), whole })
}

fn formatted(dice: &mut Dice, shape: &[u64], depth: u32) -> Option<MadeText> {
    if shape.len() != 1 {
        return None;
    }
    let dtype = dice.one(&DType::ALL);
    let numbers = made_numbers(dice, dtype, shape, depth - 1);
    let whole = numbers
        .whole
        .chunks_exact(dtype.size_bytes())
        .map(|element| {
            let mut text = String::new();
            push_python_str(dtype, element, &mut text);
            text
        })
        .collect();
    Some(MadeText { text: FormattedText::shared(numbers.array), whole })
}
