//! The command line of every program: numbers and addresses are checked as they are read, and the error names flag, value and
//! what is allowed.

use std::error::Error as _;
use std::net::AddrParseError;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

/// A count of 1 or more.
///
/// # Errors
/// What is allowed.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it has to be a whole number from 1".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// A share from 0 to 1.
///
/// # Errors
/// What is allowed.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // What is written as -0 is 0.
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share + 0.0),
        _ => Err("it has to be a number from 0 to 1".to_owned()),
    }
}

/// A program's arguments. Where they are wrong it ends here, with exit code 2.
pub fn parse<C: CommandFactory + FromArgMatches>() -> C {
    C::from_arg_matches(&matches(C::command())).unwrap_or_else(|error| error.exit())
}

/// As [`parse`], of a command whose definition was changed.
pub fn matches(command: Command) -> ArgMatches {
    match with_negative_numbers(command).try_get_matches() {
        Ok(matches) => matches,
        Err(error) => in_words(error).exit(),
    }
}

/// Lets every option take `-1`, so that its own check can say what is allowed instead of "unexpected argument '-1'".
pub fn with_negative_numbers(command: Command) -> Command {
    let numbers = |arg: clap::Arg| {
        let takes_value = arg.get_action().takes_values() && !arg.is_positional();
        if takes_value { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(numbers).mut_subcommands(with_negative_numbers)
}

/// The error, where a parser of the standard library refused a value, as one that says what is allowed: "invalid digit found in
/// string" does not.
fn in_words(error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::ValueValidation {
        return error;
    }
    let (Some(argument), Some(value)) = (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    let Some(allowed) = error.source().and_then(|cause| allowed(cause, &value.to_string())) else { return error };
    let text = format!("invalid value '{value}' for '{argument}': {allowed}\n\nFor more information, try '--help'.\n");
    clap::Error::raw(ErrorKind::ValueValidation, text)
}

fn allowed(cause: &(dyn std::error::Error + 'static), value: &str) -> Option<String> {
    if let Some(number) = cause.downcast_ref::<ParseIntError>() {
        let negative = value.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        return Some(match number.kind() {
            IntErrorKind::PosOverflow => "it is too large".to_owned(),
            IntErrorKind::NegOverflow => "it is too small".to_owned(),
            _ if negative => "it has to be a whole number from 0".to_owned(),
            _ => "it has to be a whole number".to_owned(),
        });
    }
    if cause.is::<ParseFloatError>() {
        return Some("it has to be a number".to_owned());
    }
    if cause.is::<AddrParseError>() {
        return Some("it has to be an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned());
    }
    // Clap's own words for a range: `0 is not in 1..=3600`, or `1..18446744073709551615` where there is no end.
    let said = cause.to_string();
    let (_, range) = said.split_once(" is not in ")?;
    let (from, to) = range.split_once("..")?;
    let to = to.strip_prefix('=').filter(|to| to.len() < u32::MAX.to_string().len());
    Some(match to {
        Some(to) => format!("it has to be a whole number from {from} to {to}"),
        None => format!("it has to be a whole number from {from}"),
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use clap::Parser;

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

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long)]
        count: Option<u16>,
        #[arg(long)]
        share: Option<f64>,
        #[arg(long)]
        listen: Option<SocketAddr>,
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: Option<u64>,
        #[arg(long, value_parser = clap::value_parser!(u64).range(16..))]
        memory: Option<u64>,
        #[arg(long, value_parser = at_least_one)]
        jobs: Option<usize>,
    }

    #[test]
    fn what_the_standard_library_refuses_is_said_with_what_is_allowed() {
        let said = |flag: &str, value: &str| {
            let command = with_negative_numbers(Line::command());
            in_words(command.try_get_matches_from(["line", flag, value]).unwrap_err()).to_string()
        };
        for (flag, value, allowed) in [
            ("--count", "x", "it has to be a whole number"),
            ("--count", "1.5", "it has to be a whole number"),
            ("--count", "-3", "it has to be a whole number from 0"),
            ("--count", "70000", "it has to be a whole number from 0 to 65535"),
            ("--count", "99999999999999999999999", "it is too large"),
            ("--share", "half", "it has to be a number"),
            ("--listen", "localhost:80", "it has to be an IP address and a port"),
            ("--listen", "127.0.0.1", "it has to be an IP address and a port"),
            ("--seconds", "0", "it has to be a whole number from 1 to 60"),
            ("--seconds", "ten", "it has to be a whole number"),
            ("--memory", "3", "it has to be a whole number from 16"),
            ("--jobs", "0", "it has to be a whole number from 1"),
        ] {
            let error = said(flag, value);
            assert!(error.starts_with(&format!("error: invalid value '{value}' for '{flag} <")), "{error}");
            assert!(error.contains(&format!(">': {allowed}")) && !error.contains(".."), "{error}");
            assert!(error.ends_with("try '--help'.\n"), "{error}");
        }
    }
}
