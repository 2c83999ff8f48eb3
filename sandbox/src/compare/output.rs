//! Comparison of standard outputs.

use real_sandbox_api::Comparison;

use super::number::Number;

/// Whether a program's output is as expected.
///
/// * `exact`: trailing white space of each line and trailing empty lines do not count.
/// * `fuzzy`: white space and letter case do not count at all (`1 2` equals `12`, as in the paper).
/// * `numeric`: lines as in `exact`, but words of a line that are numbers on both sides may differ by the tolerance, if
///   they are not both whole. Brackets, commas and semicolons around them have to be the same: people print lists.
pub fn outputs_equal(actual: &str, expected: &str, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Exact => lines(actual).eq(lines(expected)),
        Comparison::Fuzzy => squeezed(actual).eq(squeezed(expected)),
        Comparison::Numeric { tolerance } => {
            let (mut left, mut right) = (lines(actual), lines(expected));
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if words_close(one, other, tolerance) => {}
                    _ => return false,
                }
            }
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.trim_end().lines().map(str::trim_end)
}

fn squeezed(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase)
}

fn words_close(left: &str, right: &str, tolerance: f64) -> bool {
    if left == right {
        return true;
    }
    let (left, right): (Vec<_>, Vec<_>) = (left.split_whitespace().collect(), right.split_whitespace().collect());
    left.len() == right.len()
        && left.iter().zip(&right).all(|(one, other)| {
            let ((before, one, after), (other_before, other, other_after)) = (bare(one), bare(other));
            (before, after) == (other_before, other_after)
                && (one == other
                    || matches!(
                        (Number::of_word(one), Number::of_word(other)),
                        (Some(one), Some(other)) if one.close(&other, tolerance)
                    ))
        })
}

/// What stands before a word, the word, and what stands after it.
fn bare(word: &str) -> (&str, &str, &str) {
    const MARKS: [char; 8] = ['[', ']', '(', ')', '{', '}', ',', ';'];
    let rest = word.trim_start_matches(MARKS);
    let inner = rest.trim_end_matches(MARKS);
    (&word[..word.len() - rest.len()], inner, &rest[inner.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_forgives_trailing_white_space_only() {
        assert!(outputs_equal("a \nb\n\n", "a\nb", Comparison::Exact));
        assert!(outputs_equal("a\r\nb\r\n", "a\nb\n", Comparison::Exact));
        assert!(!outputs_equal("a\n\nb", "a\nb", Comparison::Exact));
        assert!(!outputs_equal(" a", "a", Comparison::Exact));
        assert!(!outputs_equal("A", "a", Comparison::Exact));
        assert!(outputs_equal("\n", "", Comparison::Exact));
    }

    #[test]
    fn fuzzy_ignores_white_space_and_case() {
        assert!(outputs_equal("(1, 'Ann')\n", "( 1,'ANN' )", Comparison::Fuzzy));
        assert!(outputs_equal("1 2", "12", Comparison::Fuzzy));
        assert!(!outputs_equal("1 2", "13", Comparison::Fuzzy));
        assert!(!outputs_equal("x", "", Comparison::Fuzzy));
    }

    #[test]
    fn numeric_forgives_small_differences_in_numbers_only() {
        let policy = Comparison::Numeric { tolerance: 1e-5 };
        assert!(outputs_equal("sum 0.30000000000000004", "sum 0.3", policy));
        assert!(!outputs_equal("sum 0.31", "sum 0.3", policy));
        assert!(!outputs_equal("sun 0.3", "sum 0.3", policy));
        assert!(!outputs_equal("1 2", "1 2 3", policy));
        assert!(!outputs_equal("nan", "inf", policy));
        assert!(!outputs_equal("sum 1000001", "sum 1000000", policy), "whole numbers are exact");
        assert!(!outputs_equal("0", "0.000001", policy) && !outputs_equal("-0.000001", "0", policy));
        assert!(outputs_equal("1", "1.000001", policy) && outputs_equal("0", "0.0000000001", policy));
        assert!(!outputs_equal(&"7".repeat(400), "1e999", policy));
        assert!(outputs_equal("[[0.30000000000000004, 1], (2.0, 3.5)]", "[[0.3, 1], (2, 3.5)]", policy));
        assert!(!outputs_equal("[0.31, 1]", "[0.3, 1]", policy) && !outputs_equal("[0.3, 2]", "[0.3, 1]", policy));
        assert!(!outputs_equal("[0.3, 1]", "(0.3, 1)", policy) && !outputs_equal("[0.3] 1", "[0.3, 1]", policy));
        assert!(!outputs_equal("[] 0.3,", "[], 0.3", policy) && outputs_equal("[]", "[]", policy));
    }
}
