//! Many short lists in two arrays: who reads a value, which nodes a group holds, which groups wait for a group.

/// A list of `T` for each row number, in compressed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<T> {
    /// Where each row starts; one more entry than rows.
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy> Rows<T> {
    /// Sorts items into `count` rows by their row numbers, each row keeping the order of the pairs. Linear.
    pub fn from_pairs(count: usize, pairs: &[(u32, T)]) -> Self {
        let mut starts = vec![0_u32; count + 1];
        for &(row, _) in pairs {
            starts[row as usize + 1] += 1;
        }
        for row in 0..count {
            starts[row + 1] += starts[row];
        }
        let Some(&(_, filler)) = pairs.first() else { return Self { starts, items: Vec::new() } };
        let mut cursor = starts.clone();
        let mut items = vec![filler; pairs.len()];
        for &(row, item) in pairs {
            let place = &mut cursor[row as usize];
            items[*place as usize] = item;
            *place += 1;
        }
        Self { starts, items }
    }

    /// The items of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &[T] {
        &self.items[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_the_order_of_their_items() {
        let rows = Rows::from_pairs(3, &[(2, 'a'), (0, 'b'), (2, 'c')]);
        assert_eq!((rows.count(), rows.row(0), rows.row(1), rows.row(2)), (3, &['b'][..], &[][..], &['a', 'c'][..]));
        assert_eq!(Rows::<u8>::from_pairs(0, &[]).count(), 0);
    }
}
