//! A safe door to the `gemm` crate: matrices as views with strides, checked before the call.

use super::panel::Rows;
use crate::profile;

/// A matrix in a slice: element `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix whose rows are `stride` apart.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// At most `count` rows from `first` on for the panel kernel; the elements of a row must be
    /// neighbours.
    pub(crate) fn rows_from(&self, first: usize, count: usize) -> Rows<'a> {
        assert_eq!(self.column_stride, 1, "elements of a row");
        Rows {
            data: &self.data[first * self.row_stride..],
            rows: count.min(self.rows - first),
            stride: self.row_stride,
        }
    }

    /// The transposed matrix.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

fn length(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        0
    } else {
        (rows - 1) * row_stride + (columns - 1) * column_stride + 1
    }
}

/// `c = a b * factor`, or `c += a b * factor`; `c` is row-major with rows `c_stride` apart. Runs on
/// the calling thread alone, so its bits do not depend on how many threads there are.
pub(crate) fn gemm(
    c: &mut [f32],
    c_stride: usize,
    a: View<'_>,
    b: View<'_>,
    factor: f32,
    accumulate: bool,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    profile::count(2 * (m * n * k) as u64);
    assert_eq!(k, b.rows, "inner dimensions");
    assert!(
        a.data.len() >= length(m, k, a.row_stride, a.column_stride),
        "length of a"
    );
    assert!(
        b.data.len() >= length(k, n, b.row_stride, b.column_stride),
        "length of b"
    );
    assert!(
        c.len() >= length(m, n, c_stride, 1) && c_stride >= n,
        "length of c"
    );
    // SAFETY: the assertions above bound every element that the strides reach, and `c` is borrowed
    // mutably, so it does not overlap `a` or `b`.
    #[expect(unsafe_code, reason = "the gemm crate takes pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            c_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            factor,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_of_transposed_and_strided_views() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [3][2]
        let b = [1.0, 0.0, 9.0, 2.0, 1.0, 9.0, 0.0, 1.0, 9.0]; // [3][2] in rows of three
        let mut c = [1.0, 1.0, 7.0, 1.0, 1.0, 7.0];
        gemm(
            &mut c,
            3,
            View::new(&a, 3, 2, 2).transposed(),
            View::new(&b, 3, 2, 3),
            2.0,
            true,
        );
        // a^T = [1 3 5; 2 4 6]; a^T b = [7 8; 10 10]
        assert_eq!(c.map(|x| x as i32), [15, 17, 7, 21, 21, 7]);
    }
}
