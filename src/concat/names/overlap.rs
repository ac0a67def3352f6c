//! What lists of names have in common: which are alike, and which of them cost an inner join most.
//!
//! Lists are of numbers of names. Knows no names, files or sentences.

/// Lists of which fewer than one name in so many is shared are unlike.
const FEW: usize = 10;
/// Kinds of names that are told apart. More of them are taken for one, which bounds the time.
const MOST_KINDS: usize = 8;

/// What an inner join of lists loses.
struct Losses {
    /// Of each list, the names that some other lacks.
    lost: Vec<Vec<u32>>,
    num_names: usize,
    /// How many names all lists have.
    kept: usize,
}

/// Lists without which an inner join would keep more names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costly {
    /// The lists, in order.
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

/// The lists that cost an inner join most: those that lack most of what most inputs have, or else the
/// one without which most is gained for each input. Always those of fewer than half of the inputs:
/// of two halves, each costs what the other has alone. `of_input` has the list of each input.
pub(super) fn costly(lists: &[Vec<u32>], num_names: usize, of_input: &[usize]) -> Option<Costly> {
    let mut num_inputs = vec![0_usize; lists.len()];
    of_input.iter().for_each(|&list| num_inputs[list] += 1);
    let losses = Losses::of(lists, num_names);
    losses.lack_most(&num_inputs).or_else(|| losses.gains_most(&num_inputs))
}

impl Losses {
    fn of(lists: &[Vec<u32>], num_names: usize) -> Self {
        let mut counts = vec![0_usize; num_names];
        lists.iter().flatten().for_each(|&name| counts[name as usize] += 1);
        let is_lost = |name: u32| counts[name as usize] < lists.len();
        let lost: Vec<Vec<u32>> = lists
            .iter()
            .map(|list| list.iter().copied().filter(|&name| is_lost(name)).collect())
            .collect();
        let kept = counts.iter().filter(|&&count| count == lists.len()).count();
        Self { lost, num_names, kept }
    }

    fn lack_most(&self, num_inputs: &[usize]) -> Option<Costly> {
        let all: usize = num_inputs.iter().sum();
        let mut had_by = vec![0_usize; self.num_names];
        for (names, num_inputs) in self.lost.iter().zip(num_inputs) {
            names.iter().for_each(|&name| had_by[name as usize] += num_inputs);
        }
        let num_common = self.kept + had_by.iter().filter(|&&had_by| had_by * 2 > all).count();
        let lacks_most = |names: &Vec<u32>| {
            let common = names.iter().filter(|&&name| had_by[name as usize] * 2 > all);
            (self.kept + common.count()) * 2 < num_common
        };
        let lists: Vec<usize> =
            (0..self.lost.len()).filter(|&list| lacks_most(&self.lost[list])).collect();
        let num_odd: usize = lists.iter().map(|&list| num_inputs[list]).sum();
        if num_odd * 2 >= all {
            return None;
        }
        for &list in &lists {
            self.lost[list].iter().for_each(|&name| had_by[name as usize] -= num_inputs[list]);
        }
        let gain = had_by.iter().filter(|&&had_by| had_by == all - num_odd).count();
        (gain > 0).then(|| Costly { lists, kept_without: self.kept + gain })
    }

    fn gains_most(&self, num_inputs: &[usize]) -> Option<Costly> {
        let num_lists = self.lost.len();
        let mut counts = vec![0_usize; self.num_names];
        // Where one list alone lacks a name, its number is what the numbers of the others leave over.
        let mut sums = vec![0_usize; self.num_names];
        for (list, names) in self.lost.iter().enumerate() {
            for &name in names {
                counts[name as usize] += 1;
                sums[name as usize] += list;
            }
        }
        let sum_of_all: usize = (0..num_lists).sum();
        let mut gains = vec![0_usize; num_lists];
        for (count, sum) in counts.iter().zip(&sums) {
            if count + 1 == num_lists {
                gains[sum_of_all - sum] += 1;
            }
        }
        let all: usize = num_inputs.iter().sum();
        let is_odd = |list: &usize| gains[*list] > 0 && num_inputs[*list] * 2 < all;
        // Of equal ones the last is the greatest.
        let list = (0..num_lists)
            .rev()
            .filter(is_odd)
            .max_by(|&a, &b| (gains[a] * num_inputs[b]).cmp(&(gains[b] * num_inputs[a])))?;
        Some(Costly { lists: vec![list], kept_without: self.kept + gains[list] })
    }
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

    fn most_of(lists: &[&Vec<u32>], of_input: &[usize], num_names: usize) -> Option<Costly> {
        let lists: Vec<Vec<u32>> = lists.iter().map(|&list| list.clone()).collect();
        costly(&lists, num_names, of_input)
    }

    fn costs(lists: &[usize], kept_without: usize) -> Option<Costly> {
        Some(Costly { lists: lists.to_vec(), kept_without })
    }

    #[test]
    fn who_costs_most() {
        let full: Vec<u32> = (0..100).collect();
        let odd: Vec<u32> = (95..100).collect();
        let but_one: Vec<u32> = (0..99).collect();
        let costly_of = |lists: &[&Vec<u32>]| {
            let of_input: Vec<usize> = (0..lists.len()).collect();
            most_of(lists, &of_input, 100)
        };
        assert_eq!(costly_of(&[&full, &odd, &full, &full]), costs(&[1], 100));
        assert_eq!(costly_of(&[&full, &odd, &full, &but_one]), costs(&[1], 99));
        assert_eq!(costly_of(&[&odd, &full, &full, &full, &odd]), costs(&[0, 4], 100));
        assert_eq!(costly_of(&[&full, &full, &but_one]), costs(&[2], 100));
        assert_eq!(costly_of(&[&full, &full, &Vec::new()]), costs(&[2], 100));
        assert_eq!(costly_of(&[&full, &odd]), None);
        assert_eq!(costly_of(&[&vec![1], &vec![2], &vec![3]]), None);
    }

    #[test]
    fn who_costs_most_is_found_by_inputs_also_where_they_share_a_list() {
        let full: Vec<u32> = (0..100).collect();
        let panel = |own: u32| (0..5).chain(own..own + 50).collect::<Vec<u32>>();
        let but = |lacks: &[u32]| {
            full.iter().copied().filter(|name| !lacks.contains(name)).collect::<Vec<u32>>()
        };
        let (a, b) = (panel(100), panel(150));
        let most_of = |lists: &[&Vec<u32>], num_inputs: &[usize]| {
            let inputs = num_inputs.iter().enumerate();
            let of_input: Vec<usize> =
                inputs.flat_map(|(list, &num_inputs)| vec![list; num_inputs]).collect();
            most_of(lists, &of_input, 200)
        };
        assert_eq!(most_of(&[&full, &a], &[20, 1]), costs(&[1], 100));
        assert_eq!(most_of(&[&a, &full], &[1, 20]), costs(&[0], 100));
        // One file of genes among twenty panels is as odd.
        assert_eq!(most_of(&[&full, &a], &[1, 20]), costs(&[0], 55));
        assert_eq!(most_of(&[&a, &full, &b], &[1, 20, 1]), costs(&[0, 2], 100));
        assert_eq!(most_of(&[&a, &full, &b], &[3, 20, 4]), costs(&[0, 2], 100));
        assert_eq!(most_of(&[&full, &but(&[7])], &[2, 1]), costs(&[1], 100));
        // What is gained counts for each input that is left out.
        let (few, fewer) = (but(&[1, 2]), but(&[3, 4, 5]));
        assert_eq!(most_of(&[&full, &few, &fewer], &[9, 1, 3]), costs(&[1], 97));
        assert_eq!(most_of(&[&full, &few, &fewer], &[9, 1, 1]), costs(&[2], 98));
        // Neither half is the odd one.
        assert_eq!(most_of(&[&full, &a], &[2, 2]), None);
        assert_eq!(most_of(&[&full, &full], &[1, 1]), None);
    }
}
