//! Words that depend on a number.

use std::fmt::Display;

/// `1 task`, `2 tasks`, `0 tasks`.
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn one_is_singular_and_nothing_else_is() {
        assert_eq!(
            [count(0_usize, "task"), count(1_u64, "task"), count(2_u32, "task")],
            ["0 tasks", "1 task", "2 tasks"]
        );
    }
}
