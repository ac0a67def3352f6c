//! What lists of names have in common: which are alike, and which of them cost an inner join most.
//!
//! Lists are of numbers of names. Knows no names, files or sentences.

/// Lists of which fewer than one name in so many is shared are unlike.
const FEW: usize = 10;
/// Kinds of names that are told apart. More of them are taken for one, which bounds the time.
const MOST_KINDS: usize = 8;

/// Lists without which an inner join would keep more names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costly {
    /// The lists.
    pub lists: Vec<usize>,
    /// How many names all others have.
    pub kept_without: usize,
}

/// Lists that share names with one another.
struct Alike {
    lists: Vec<usize>,
    has: Vec<bool>,
    smallest: usize,
}

impl Alike {
    fn shares(&self, list: &[u32]) -> bool {
        let shared = list.iter().filter(|&&number| self.has[number as usize]).count();
        shared > 0 && shared * FEW >= list.len().min(self.smallest)
    }

    fn take_in(&mut self, other: Self) {
        self.lists.extend(other.lists);
        self.smallest = self.smallest.min(other.smallest);
        self.has.iter_mut().zip(other.has).for_each(|(has, too)| *has |= too);
    }
}

/// Groups lists that share names: each shares a tenth at least (of the shorter) with some other of
/// its group, and less with those of other groups. Empty lists are in none.
pub(super) fn alike(lists: &[Vec<u32>], num_names: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Alike> = Vec::new();
    for (number, list) in lists.iter().enumerate().filter(|(_, list)| !list.is_empty()) {
        let mut shares = groups.iter().map(|group| group.shares(list)).collect::<Vec<_>>();
        if groups.len() == MOST_KINDS && !shares.contains(&true) {
            shares[MOST_KINDS - 1] = true;
        }
        let mut has = vec![false; num_names];
        list.iter().for_each(|&name| has[name as usize] = true);
        let mut own = Alike { lists: vec![number], has, smallest: list.len() };
        let mut apart = Vec::new();
        for (group, shares) in groups.into_iter().zip(shares) {
            match shares {
                true => own.take_in(group),
                false => apart.push(group),
            }
        }
        apart.push(own);
        groups = apart;
    }
    let mut groups: Vec<Vec<usize>> = groups.into_iter().map(|group| group.lists).collect();
    groups.iter_mut().for_each(|lists| lists.sort_unstable());
    groups.sort_unstable();
    groups
}

/// The lists that cost an inner join most: those that lack most of what most lists have, or else
/// the one without which most is gained. `None` if nothing is gained, and for two lists, of which
/// each costs what the other has alone.
pub(super) fn costly(lists: &[Vec<u32>], num_names: usize) -> Option<Costly> {
    if lists.len() < 3 {
        return None;
    }
    let mut counts = vec![0_usize; num_names];
    // Where one list alone lacks a name, its number is what the numbers of the others leave over.
    let mut sums = vec![0_usize; num_names];
    for (number, list) in lists.iter().enumerate() {
        for &name in list {
            counts[name as usize] += 1;
            sums[name as usize] += number;
        }
    }
    let kept = counts.iter().filter(|&&count| count == lists.len()).count();
    let is_common = |name: u32| counts[name as usize] * 2 > lists.len();
    let num_common = (0..num_names as u32).filter(|&name| is_common(name)).count();
    let lacks_most =
        |list: &Vec<u32>| list.iter().filter(|&&name| is_common(name)).count() * 2 < num_common;
    let odd: Vec<usize> = (0..lists.len()).filter(|&list| lacks_most(&lists[list])).collect();
    if !odd.is_empty() && odd.len() < lists.len() {
        let mut left = counts.clone();
        odd.iter().flat_map(|&list| &lists[list]).for_each(|&name| left[name as usize] -= 1);
        let kept_without = left.iter().filter(|&&count| count == lists.len() - odd.len()).count();
        if kept_without > kept {
            return Some(Costly { lists: odd, kept_without });
        }
    }
    let all: usize = (0..lists.len()).sum();
    let mut gains = vec![0_usize; lists.len()];
    for (count, sum) in counts.iter().zip(&sums) {
        if count + 1 == lists.len() {
            gains[all - sum] += 1;
        }
    }
    let (list, gain) = gains.into_iter().enumerate().rev().max_by_key(|&(_, gain)| gain)?;
    (gain > 0).then(|| Costly { lists: vec![list], kept_without: kept + gain })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of names, and the groups that they make.
    type Case<'a> = (&'a [&'a [u32]], &'a [&'a [usize]]);

    #[test]
    fn lists_that_share_names_are_alike_also_by_way_of_others() {
        let lists = |lists: &[&[u32]]| lists.iter().map(|list| list.to_vec()).collect::<Vec<_>>();
        let cases: &[Case<'_>] = &[
            (&[&[0, 1], &[1, 2], &[]], &[&[0, 1]]),
            (&[&[0, 1], &[2, 3], &[0, 4]], &[&[0, 2], &[1]]),
            // A list that has both kinds joins them.
            (&[&[0, 1], &[2, 3], &[1, 2]], &[&[0, 1, 2]]),
            // A panel is alike a list that has all of it, however long that is.
            (&[&(0..100).collect::<Vec<u32>>(), &[7]], &[&[0, 1]]),
            // One name in twenty is few.
            (&[&(0..20).collect::<Vec<u32>>(), &(19..39).collect::<Vec<u32>>()], &[&[0], &[1]]),
        ];
        for (input, groups) in cases {
            let groups: Vec<Vec<usize>> = groups.iter().map(|group| group.to_vec()).collect();
            assert_eq!(alike(&lists(input), 100), groups, "{input:?}");
        }
        let unlike: Vec<Vec<u32>> = (0..20).map(|number| vec![number]).collect();
        let groups = alike(&unlike, 20);
        assert_eq!(groups.len(), MOST_KINDS);
        assert_eq!(groups.concat().len(), 20);
    }

    #[test]
    fn who_costs_most() {
        let full: Vec<u32> = (0..100).collect();
        let odd: Vec<u32> = (95..100).collect();
        let but_one: Vec<u32> = (0..99).collect();
        let costly_of = |lists: &[&Vec<u32>]| {
            costly(&lists.iter().map(|&list| list.clone()).collect::<Vec<_>>(), 100)
        };
        let costs =
            |lists: &[usize], kept_without| Some(Costly { lists: lists.to_vec(), kept_without });
        assert_eq!(costly_of(&[&full, &odd, &full, &full]), costs(&[1], 100));
        assert_eq!(costly_of(&[&full, &odd, &full, &but_one]), costs(&[1], 99));
        assert_eq!(costly_of(&[&odd, &full, &full, &full, &odd]), costs(&[0, 4], 100));
        assert_eq!(costly_of(&[&full, &full, &but_one]), costs(&[2], 100));
        assert_eq!(costly_of(&[&full, &full, &Vec::new()]), costs(&[2], 100));
        assert_eq!(costly_of(&[&full, &odd]), None);
        assert_eq!(costly_of(&[&vec![1], &vec![2], &vec![3]]), None);
    }
}
