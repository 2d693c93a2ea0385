//! Which bytes of a content are there: a set of byte ranges.

use std::ops::Range;

/// Ranges in order, none empty, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// The bytes from 0 up to, not including, `end`.
    pub(super) fn prefix_of(end: u64) -> Self {
        let mut ranges = Ranges::default();
        ranges.insert(0..end);
        ranges
    }

    /// Adds a range, which may overlap others.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|have| have.end < range.start);
        let last = self.0.partition_point(|have| have.start <= range.end);
        let mut merged = range;
        if let Some(met) = self.0.get(first..last).filter(|met| !met.is_empty()) {
            merged.start = merged.start.min(met[0].start);
            merged.end = merged.end.max(met[met.len() - 1].end);
        }
        self.0.splice(first..last, [merged]);
    }

    /// Forgets everything from `end` on.
    pub(super) fn clip(&mut self, end: u64) {
        self.0.retain(|have| have.start < end);
        if let Some(last) = self.0.last_mut() {
            last.end = last.end.min(end);
        }
    }

    /// End of what is there without a gap from byte 0 on.
    pub(super) fn prefix(&self) -> u64 {
        self.0.first().filter(|first| first.start == 0).map_or(0, |first| first.end)
    }

    /// Whether nothing but a prefix is there.
    pub(super) fn is_prefix(&self) -> bool {
        self.total() == self.prefix()
    }

    /// Number of bytes.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|have| have.end - have.start).sum()
    }

    /// The first stretch at or after `from` and below `end` that is not there.
    pub(super) fn gap(&self, from: u64, end: u64) -> Option<Range<u64>> {
        let next = self.0.partition_point(|have| have.end <= from);
        let (start, stop) = match self.0.get(next) {
            Some(have) if have.start <= from => (have.end, self.0.get(next + 1).map_or(end, |after| after.start)),
            Some(have) => (from, have.start),
            None => (from, end),
        };
        (start < end).then(|| start..stop.min(end))
    }

    /// The ranges in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::Ranges;

    fn of(ranges: &[Range<u64>]) -> Ranges {
        let mut set = Ranges::default();
        ranges.iter().cloned().for_each(|range| set.insert(range));
        set
    }

    fn list(ranges: &Ranges) -> Vec<Range<u64>> {
        ranges.iter().collect()
    }

    #[test]
    fn ranges_that_meet_become_one() {
        assert_eq!(list(&of(&[5..10, 20..30, 0..5])), [0..10, 20..30]);
        assert_eq!(list(&of(&[5..10, 20..30, 8..20])), std::slice::from_ref(&(5..30)));
        assert_eq!(list(&of(&[5..10, 12..14, 20..30, 0..40])), std::slice::from_ref(&(0..40)));
        assert_eq!(list(&of(&[5..10, 6..8, 7..7, 11..12])), [5..10, 11..12]);
    }

    #[test]
    fn any_order_of_insertion_gives_the_same_set() {
        let pieces: Vec<Range<u64>> = (0..40).map(|n| n * 5..n * 5 + 5).collect();
        for step in [1, 3, 7, 11, 39] {
            let mut set = Ranges::default();
            let mut there = std::collections::BTreeSet::new();
            for n in 0..30 {
                let piece = pieces[n * step % pieces.len()].clone();
                there.extend(piece.clone());
                set.insert(piece);
                assert_eq!(set.total(), there.len() as u64);
                assert_eq!(set.prefix(), (0..).find(|at| !there.contains(at)).unwrap());
                for from in [0, 3, 5, 42, 199, 200] {
                    let start = (from..200).find(|at| !there.contains(at));
                    let gap = start.map(|start| start..(start..200).find(|at| there.contains(at)).unwrap_or(200));
                    assert_eq!(set.gap(from, 200), gap, "from {from} in {set:?}");
                }
            }
        }
    }

    #[test]
    fn clipping_forgets_what_lies_beyond() {
        let mut set = of(&[0..10, 20..30, 40..50]);
        set.clip(25);
        assert_eq!((list(&set), set.is_prefix()), (vec![0..10, 20..25], false));
        set.clip(10);
        assert_eq!((list(&set), set.is_prefix()), (vec![Range { start: 0, end: 10 }], true));
        set.clip(0);
        assert_eq!((list(&set), set.prefix()), (vec![], 0));
    }
}
