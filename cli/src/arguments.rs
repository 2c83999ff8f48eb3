//! Numbers on the command line: each is checked as it is read, and the error names flag, value and what is allowed.

use clap::Command;

/// A count of 1 or more.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it has to be a whole number from 1".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// A share from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // What is written as -0 is 0.
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share + 0.0),
        _ => Err("it has to be a number from 0 to 1".to_owned()),
    }
}

/// Lets every option take `-1`, so that its own check can say what is allowed instead of "unexpected argument '-1'".
pub(crate) fn with_negative_numbers(command: Command) -> Command {
    let numbers = |arg: clap::Arg| {
        let takes_value = arg.get_action().takes_values() && !arg.is_positional();
        if takes_value { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(numbers).mut_subcommands(with_negative_numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_bounds_are_told_what_is_allowed() {
        for text in ["0", "-1", "1.5", "x", "", "99999999999999999999999"] {
            assert_eq!(at_least_one(text).unwrap_err(), "it has to be a whole number from 1");
        }
        for text in ["-0.1", "1.01", "nan", "inf", "x", ""] {
            assert_eq!(share(text).unwrap_err(), "it has to be a number from 0 to 1");
        }
        assert!(share("-0").unwrap().is_sign_positive());
        assert_eq!((at_least_one("3"), share("0.25")), (Ok(3), Ok(0.25)));
    }
}
