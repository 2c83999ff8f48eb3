//! The command line of every program: numbers and addresses are checked as they are read, and the error names flag, value and
//! what is allowed.

use std::error::Error as _;
use std::net::AddrParseError;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::exit;
use crate::output::finish;
use crate::screen::{Stream, USUAL_WIDTH, colours, text_width, width};

/// Columns of help on wider terminals: longer lines are hard to read.
const WIDEST_HELP: usize = 100;

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

/// A program's arguments. Where they are wrong it ends here, with exit code 2; also where they ask for help or the version.
pub fn parse<C: CommandFactory + FromArgMatches>() -> C {
    C::from_arg_matches(&matches(C::command(), &[])).unwrap_or_else(|error| error.exit())
}

/// As [`parse`], of a command whose definition was changed. `tips` has commands and options of other programs, and what does here
/// what they do there.
pub fn matches(command: Command, tips: &[(&str, &str)]) -> ArgMatches {
    let columns = width(Stream::Output).unwrap_or(USUAL_WIDTH).min(WIDEST_HELP);
    match forgiving(command).term_width(columns).try_get_matches() {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => in_words(error, tips).exit(),
        Err(asked) => {
            let text = asked.render();
            let text = if colours(Stream::Output) { text.ansi().to_string() } else { text.to_string() };
            let lines: Vec<String> = text.trim_end().lines().map(|line| folded(line, columns)).collect();
            crate::outln!("{}", lines.join("\n"));
            let code = if finish(ExitCode::SUCCESS) == ExitCode::SUCCESS { exit::DONE } else { exit::FAILED };
            std::process::exit(code.into())
        }
    }
}

/// A line of help; one of usage, which clap leaves as long as it is, in so many columns and folded between its parts.
fn folded(line: &str, columns: usize) -> String {
    const BEGIN: &str = "Usage: ";
    let plain = |text: &str| console::strip_ansi_codes(text).into_owned();
    if text_width(line) <= columns || !plain(line).starts_with(BEGIN) {
        return line.to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match parts.last_mut() {
            // An option and its value.
            Some(option) if plain(option).starts_with("--") && plain(word).starts_with('<') => {
                option.push(' ');
                option.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    let (mut text, mut at) = (String::new(), 0);
    for part in parts {
        let wide = text_width(&part);
        if at > 0 && at + 1 + wide > columns {
            text.push('\n');
            text.push_str(&" ".repeat(BEGIN.len()));
            at = BEGIN.len();
        } else if at > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(&part);
        at += wide;
    }
    text
}

/// Lets every option take `-1`, so that its own check can say what is allowed instead of "unexpected argument '-1'", and whoever knows
/// from one command by which name it is told where to write use that name with the others.
pub fn forgiving(command: Command) -> Command {
    const PLACES: [&str; 3] = ["out", "output", "run-dir"];
    let is_place = |arg: &clap::Arg| arg.get_long().is_some_and(|name| PLACES.contains(&name));
    let has_one = command.get_arguments().filter(|arg| is_place(arg)).count() == 1;
    let forgiving = |arg: clap::Arg| {
        let takes_value = arg.get_action().takes_values() && !arg.is_positional();
        let arg = if takes_value { arg.allow_negative_numbers(true) } else { arg };
        if !(has_one && is_place(&arg) && arg.get_all_aliases().is_none()) {
            return arg;
        }
        let own = arg.get_long().map(str::to_owned);
        arg.aliases(PLACES.into_iter().filter(|name| Some(*name) != own.as_deref()).collect::<Vec<_>>())
    };
    command.mut_args(forgiving).mut_subcommands(self::forgiving)
}

/// The error as one that helps: where a parser of the standard library refused a value it says what is allowed, which "invalid digit found
/// in string" does not.
fn in_words(mut error: clap::Error, tips: &[(&str, &str)]) -> clap::Error {
    if let Some(tip) = tip(&error, tips) {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        return error;
    }
    if error.kind() == ErrorKind::UnknownArgument {
        // That what looks like an option might be the name of a file after `--` is what nobody means.
        if error.get(ContextKind::SuggestedArg).is_none() {
            error.remove(ContextKind::Suggested);
        }
        return error;
    }
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

/// What does here what an unknown command or option does elsewhere; what is spelt alike comes first.
fn tip(error: &clap::Error, tips: &[(&str, &str)]) -> Option<String> {
    let (unknown, alike) = match error.kind() {
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        _ => return None,
    };
    let unknown = error.get(unknown)?.to_string();
    let (_, tip) = tips.iter().find(|(theirs, _)| *theirs == unknown)?;
    error.get(alike).is_none().then(|| (*tip).to_owned())
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
    fn a_long_line_of_usage_is_folded_between_its_parts() {
        let line = "\u{1b}[1mUsage:\u{1b}[0m real serve [OPTIONS] \u{1b}[1m--detector\u{1b}[0m <URL> --sandbox <URL>";
        assert_eq!(folded(line, 80), line);
        let lines = folded(line, 40);
        let lines: Vec<_> = lines.lines().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
        assert_eq!(lines, ["Usage: real serve [OPTIONS]", "       --detector <URL> --sandbox <URL>"]);
        let other = "  a line of help that clap has wrapped already, and that has one word too long";
        assert_eq!(folded(other, 40), other);
    }

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
            let command = forgiving(Line::command());
            in_words(command.try_get_matches_from(["line", flag, value]).unwrap_err(), &[]).to_string()
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

    #[derive(Debug, Parser)]
    #[command(subcommand_required = true)]
    enum Commands {
        Run {
            job: String,
            #[arg(long)]
            run_dir: Option<String>,
        },
        Evaluate {
            #[arg(long, short)]
            output: Option<String>,
        },
        Build {
            #[arg(long)]
            out: Option<String>,
            #[arg(long)]
            output: Option<String>,
        },
    }

    #[test]
    fn where_to_write_has_the_names_of_other_commands_too() {
        let parsed = |line: &[&str]| forgiving(Commands::command()).try_get_matches_from(line);
        for name in ["--out", "--output", "--run-dir"] {
            let matches = parsed(&["x", "run", "job", name, "there"]).unwrap();
            assert_eq!(matches.subcommand().unwrap().1.get_one::<String>("run_dir").unwrap(), "there", "{name}");
            let twice = forgiving(forgiving(Commands::command()));
            let matches = twice.try_get_matches_from(["x", "evaluate", name, "there"]).unwrap();
            assert_eq!(matches.subcommand().unwrap().1.get_one::<String>("output").unwrap(), "there", "{name}");
        }
        let matches = parsed(&["x", "build", "--out", "a", "--output", "b"]).unwrap();
        let built = matches.subcommand().unwrap().1;
        let value = |name: &str| built.get_one::<String>(name).cloned();
        assert_eq!((value("out").as_deref(), value("output").as_deref()), (Some("a"), Some("b")));
    }

    #[test]
    fn an_option_that_does_not_exist_is_not_taken_for_a_file() {
        let parsed = |line: &[&str]| forgiving(Commands::command()).try_get_matches_from(line);
        let said = |line: &[&str]| {
            in_words(parsed(line).unwrap_err(), &[("train", "x run"), ("-f", "without it")]).to_string()
        };
        let unknown = said(&["x", "run", "job", "--check"]);
        assert!(unknown.contains("unexpected argument '--check'") && !unknown.contains("tip:"), "{unknown}");
        let near = said(&["x", "evaluate", "--outptu", "there"]);
        assert!(near.contains("a similar argument exists: '--output'"), "{near}");
        for line in [["x", "train"].as_slice(), &["x", "run", "-f", "job"]] {
            let elsewhere = said(line);
            assert!(elsewhere.contains("  tip: ") && elsewhere.contains("try '--help'"), "{elsewhere}");
        }
    }
}
