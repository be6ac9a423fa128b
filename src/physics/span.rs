//! A table of numbered cells, of which only the part that was ever written takes memory.
//!
//! A route meets few of the latencies and amounts of work in flight that the tables of its closed loop tell apart. A cell that
//! was never written reads as the default, so that a table answers as a whole one would. In wasm, where code is dearer than memory, it is a
//! whole one.

#[cfg(not(target_family = "wasm"))]
use crate::image::Image;

/// `CELLS` cells, kept in steps of `STEP`.
#[derive(Debug, Clone, PartialEq)]
pub struct Span<T, const CELLS: usize, const STEP: usize> {
    #[cfg(not(target_family = "wasm"))]
    first: u16,
    #[cfg(not(target_family = "wasm"))]
    cells: Box<[T]>,
    #[cfg(target_family = "wasm")]
    cells: [T; CELLS],
}

impl<T: Copy + Default, const CELLS: usize, const STEP: usize> Default for Span<T, CELLS, STEP> {
    #[cfg(not(target_family = "wasm"))]
    fn default() -> Self {
        Self { first: 0, cells: Box::default() }
    }

    #[cfg(target_family = "wasm")]
    fn default() -> Self {
        Self { cells: [T::default(); CELLS] }
    }
}

#[cfg(not(target_family = "wasm"))]
impl<T: Copy + Default, const CELLS: usize, const STEP: usize> Span<T, CELLS, STEP> {
    /// The cell of that number, < `CELLS`, to be written.
    #[inline]
    pub fn at(&mut self, number: usize) -> &mut T {
        let index = number.wrapping_sub(usize::from(self.first));
        if index >= self.cells.len() {
            self.cover(number);
        }
        &mut self.cells[number - usize::from(self.first)]
    }

    #[cold]
    #[inline(never)]
    fn cover(&mut self, number: usize) {
        let (first, end) = (usize::from(self.first), usize::from(self.first) + self.cells.len());
        let step = number - number % STEP;
        let (low, high) =
            if self.cells.is_empty() { (step, step + STEP) } else { (step.min(first), (step + STEP).max(end)) };
        let mut cells = vec![T::default(); high.min(CELLS) - low];
        if !self.cells.is_empty() {
            cells[first - low..end - low].copy_from_slice(&self.cells);
        }
        self.first = low as u16;
        self.cells = cells.into_boxed_slice();
    }

    /// The cells that were written, and some around them, with their numbers, in order.
    #[must_use]
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = (usize, &T)> {
        let first = usize::from(self.first);
        self.cells.iter().enumerate().map(move |(index, cell)| (first + index, cell))
    }

    /// The cells from one number up to another, both included, as far as they were written.
    pub fn within(&mut self, from: usize, to: usize) -> &mut [T] {
        let first = usize::from(self.first);
        let [low, high] = [from, to + 1].map(|number| number.saturating_sub(first).min(self.cells.len()));
        &mut self.cells[low..high]
    }
}

#[cfg(not(target_family = "wasm"))]
impl<T: Image, const CELLS: usize, const STEP: usize> Image for Span<T, CELLS, STEP> {
    fn write(&self, out: &mut Vec<u8>) {
        self.first.write(out);
        (self.cells.len() as u16).write(out);
        for cell in &self.cells {
            cell.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (first, len) = (u16::read(from)?, u16::read(from)?);
        if usize::from(first) + usize::from(len) > CELLS {
            return None;
        }
        let cells: Option<Vec<T>> = (0..len).map(|_| T::read(from)).collect();
        Some(Self { first, cells: cells?.into_boxed_slice() })
    }
}

#[cfg(target_family = "wasm")]
impl<T: Copy + Default, const CELLS: usize, const STEP: usize> Span<T, CELLS, STEP> {
    /// The cell of that number, < `CELLS`, to be written.
    #[inline]
    pub fn at(&mut self, number: usize) -> &mut T {
        &mut self.cells[number]
    }

    /// The cells with their numbers, in order.
    #[inline]
    #[must_use]
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = (usize, &T)> {
        self.cells.iter().enumerate()
    }

    /// The cells from one number up to another, both included.
    #[inline]
    pub fn within(&mut self, from: usize, to: usize) -> &mut [T] {
        &mut self.cells[from..=to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn answers_as_a_whole_table_would(writes in prop::collection::vec((0..20_usize, 1..9_u16), 0..30), from in 0..20_usize, to in 0..20_usize) {
            let mut span = Span::<u16, 20, 4>::default();
            let mut whole = [0_u16; 20];
            for (number, by) in writes {
                *span.at(number) += by;
                whole[number] += by;
                prop_assert!(span.cells().all(|(number, cell)| whole[number] == *cell));
                prop_assert_eq!(span.cells().map(|(_, cell)| u32::from(*cell)).sum::<u32>(), whole.iter().map(|cell| u32::from(*cell)).sum::<u32>());
            }
            let (from, to) = (from.min(to), from.max(to));
            let sum = |cells: &[u16]| cells.iter().sum::<u16>();
            prop_assert_eq!(sum(span.within(from, to)), sum(&whole[from..=to]));
        }
    }

    #[test]
    fn takes_no_more_than_the_steps_that_were_written() {
        let mut span = Span::<u16, 112, 16>::default();
        assert_eq!(span.cells().count(), 0);
        *span.at(50) += 1;
        assert_eq!(span.cells().count(), 16);
        *span.at(111) += 1;
        *span.at(40) += 1;
        assert_eq!(span.cells().count(), 80);
    }
}
