//! YAML text to documents, with what a person may have got wrong in our words.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::Value;

use super::dialect;
use super::error::{Location, SpecError, SpecErrors};

/// Most values that a file may unfold to. A job has some hundred; a few lines of aliases of aliases would fill the memory.
const MOST_VALUES: u64 = 100_000;

/// Reads the documents of a YAML or JSON `text`, the content of `file`, to what `kubectl` would send to the API server.
///
/// # Errors
/// It is not YAML, a field is written twice, a number is not finite, aliases unfold to too much, or `kubectl` would read it otherwise.
pub fn documents(text: &str, file: &str) -> Result<Vec<Value>, SpecErrors> {
    let problems = problems(text);
    if !problems.is_empty() {
        let error = |Problem { line, column, message }| SpecError {
            location: Location::File { file: file.to_owned(), line, column },
            field: String::new(),
            value: None,
            message,
            hint: None,
        };
        return Err(SpecErrors(problems.into_iter().map(error).collect()));
    }
    let mut documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| SpecErrors(vec![syntax(&error, file)]))?;
    documents.iter_mut().for_each(dialect::whole_numbers);
    Ok(documents)
}

/// What is wrong with a value that is YAML in itself, such as that of `--set`; `None` where nothing is.
pub(super) fn problem(text: &str) -> Option<String> {
    problems(text).into_iter().next().map(|problem| problem.message)
}

/// Something wrong at a place, both from 1.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    line: usize,
    column: usize,
    message: String,
}

/// A collection that is being read.
struct Frame {
    /// In a mapping, the keys so far and their lines; `None` in a list.
    keys: Option<HashMap<String, usize>>,
    /// Whether the next scalar of a mapping is a key.
    key_next: bool,
    anchor: usize,
    /// Values so far, aliases unfolded, itself included.
    values: u64,
}

/// All that is wrong and that the reader of values would say in words of its own, or not at all.
fn problems(text: &str) -> Vec<Problem> {
    let mut found: Vec<Problem> = dialect::directive(text)
        .map(|(line, message)| Problem { line, column: 1, message: message.to_owned() })
        .into_iter()
        .collect();
    let mut stack: Vec<Frame> = Vec::new();
    let mut sizes: HashMap<usize, u64> = HashMap::new();
    let mut total = 0_u64;
    for next in Parser::new_from_str(text) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let line = error.marker().line();
                // Any other mistake is said by the reader of values.
                found.extend(tab(text, line).map(|column| Problem {
                    line,
                    column,
                    message: "a tab before the field: YAML is indented with spaces only".to_owned(),
                }));
                break;
            }
        };
        let (line, column) = (span.start.line(), span.start.col() + 1);
        let values = match event {
            Event::DocumentStart(..) => {
                sizes.clear();
                let begins = text.lines().nth(line.saturating_sub(1)).and_then(dialect::document);
                found.extend(begins.map(|message| Problem { line, column: 1, message: message.to_owned() }));
                0
            }
            Event::Scalar(scalar, style, anchor, _) => {
                let is_key = stack.last().is_some_and(|frame| frame.keys.is_some() && frame.key_next);
                let plain = style == ScalarStyle::Plain;
                let message = if is_key {
                    let twice = key(&mut stack, &scalar, line);
                    twice.or_else(|| plain.then(|| dialect::key(&scalar)).flatten())
                } else if plain && (is_not_finite(&scalar) || overflows(&scalar)) {
                    Some(format!("{scalar} is not allowed: numbers must be finite"))
                } else {
                    plain.then(|| dialect::value(&scalar)).flatten()
                };
                found.extend(message.map(|message| Problem { line, column, message }));
                sizes.insert(anchor, 1);
                1
            }
            Event::Alias(anchor) => sizes.get(&anchor).copied().unwrap_or(1),
            Event::MappingStart(_, anchor, _) => {
                stack.push(Frame { keys: Some(HashMap::new()), key_next: true, anchor, values: 1 });
                continue;
            }
            Event::SequenceStart(_, anchor, _) => {
                stack.push(Frame { keys: None, key_next: false, anchor, values: 1 });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(frame) = stack.pop() else { continue };
                sizes.insert(frame.anchor, frame.values);
                frame.values
            }
            _ => continue,
        };
        match stack.last_mut() {
            Some(frame) => {
                frame.values = frame.values.saturating_add(values);
                frame.key_next = !frame.key_next;
            }
            None => total = total.saturating_add(values),
        }
        let so_far = stack.iter().fold(total, |sum, frame| sum.saturating_add(frame.values));
        if so_far > MOST_VALUES {
            let message = format!(
                "aliases (*name) unfold what is written here to more than {MOST_VALUES} values; write them out, or use fewer"
            );
            found.push(Problem { line, column, message });
            break;
        }
    }
    found
}

/// Notes a key of the innermost mapping, and says what is wrong with its place.
fn key(stack: &mut [Frame], name: &str, line: usize) -> Option<String> {
    let keys = stack.last_mut()?.keys.as_mut()?;
    let before = keys.len();
    let first = keys.get(name).copied();
    keys.entry(name.to_owned()).or_insert(line);
    if name == "<<" {
        return dialect::merge(before).map(str::to_owned);
    }
    first.map(|first| format!("the field {name} is written twice: the first time in line {first}"))
}

/// YAML 1.2's `.inf` and `.nan`, in its three ways of writing each.
fn is_not_finite(scalar: &str) -> bool {
    let unsigned = scalar.strip_prefix(['+', '-']).unwrap_or(scalar);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(scalar, ".nan" | ".NaN" | ".NAN")
}

/// A number that is too large for one, such as `1e400`.
fn overflows(scalar: &str) -> bool {
    let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    scalar.contains(|c: char| c.is_ascii_digit())
        && scalar.chars().all(number)
        && scalar.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// Column of a tab in the indentation of a line or of the one before, where a parser notices it.
fn tab(text: &str, line: usize) -> Option<usize> {
    let indentation = text.lines().nth(line.checked_sub(1)?)?;
    let end = indentation.find(|c: char| !c.is_whitespace()).unwrap_or(indentation.len());
    indentation[..end].find('\t').map(|at| at + 1)
}

fn syntax(error: &serde_saphyr::Error, file: &str) -> SpecError {
    let location = match error.location() {
        Some(at) => Location::File { file: file.to_owned(), line: at.line() as usize, column: at.column() as usize },
        None => Location::Whole { file: file.to_owned() },
    };
    let message = format!("not valid YAML: {}", reason(error));
    SpecError { location, field: String::new(), value: None, message, hint: None }
}

/// Words of the reader of values that are about its own types, and ours.
const WORDS: [(&str, &str); 5] = [
    (
        "expected string scalar",
        "the name of a field has to be a text, and here is an object or a list. A template such as {{ … }} has to be rendered \
         first (helm template); a text that begins with a brace or a bracket needs quotes",
    ),
    ("cannot deserialize null into string", "a field has no name"),
    ("recursive references", "an alias (*name) stands within what it repeats"),
    ("unknown anchor", "an alias (*name) repeats what is marked (&name) nowhere above it in the same document"),
    (
        "expected <document start>",
        "a second object begins here: put a line --- between two objects. A file of JSON lines is a data set, and no job",
    ),
];

/// What the reader of values says, in our words where it has names of its own for things.
pub(super) fn reason(error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    let message = message.lines().next().unwrap_or_default();
    // The position is shown already.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    for (its, ours) in WORDS {
        if message.contains(its) {
            return ours.to_owned();
        }
    }
    if message.contains("recursion limit") || message.contains("Depth {") {
        return "lists and objects are nested too deeply".to_owned();
    }
    if message.contains("budget breached") {
        return "it is too large for a job".to_owned();
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        documents(text, "a.yaml").err().into_iter().flat_map(|errors| errors.0).map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_field_that_is_written_twice_is_named_with_both_lines() {
        let expected = ["a.yaml:3:3: the field x is written twice: the first time in line 2"];
        assert_eq!(said("a:\n  x: 1\n  x: 2\nb: {x: 1}\n"), expected);
        assert_eq!(said("a: {x: 1, z: {x: 1}, x: 2}").len(), 1);
        assert!(said("- {x: 1}\n- {x: 2}\n").is_empty());
        assert!(said("x: 1\n---\nx: 2\n").is_empty());
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_and_words_are_not() {
        assert_eq!(said("a: [1, .nan]"), ["a.yaml:1:8: .nan is not allowed: numbers must be finite"]);
        assert_eq!(said("a: -.INF\nb: .Inf\n").len(), 2);
        assert!(said("a: '.nan'\n.inf: b\n").is_empty());
        assert_eq!(problem(".nan").unwrap(), ".nan is not allowed: numbers must be finite");
        assert_eq!(said("a: -1e400"), ["a.yaml:1:4: -1e400 is not allowed: numbers must be finite"]);
        assert!(said("a: '1e400'\nb: e9\nc: 1e-400\n").is_empty());
    }

    #[test]
    fn what_kubectl_reads_otherwise_is_told_with_its_place() {
        for (text, place) in [
            ("a: {seed: 010}", "1:11"),
            ("a: &a {x: 1}\nb: {z: 2, <<: *a}\n", "2:11"),
            ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "4:3"),
            ("labels: {on: x}", "1:10"),
            ("%YAML 1.2\n---\na: 1\n", "1:1"),
            ("a: 1\n--- {b: 1}\n", "2:1"),
        ] {
            let said = said(text);
            assert!(said.len() == 1 && said[0].starts_with(&format!("a.yaml:{place}: ")), "{text:?}: {said:?}");
            assert!(said[0].contains("kubectl"), "{said:?}");
        }
        assert!(said("a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: '010'\n'on': yes\n--- # next\nd: 1\n").is_empty());
        assert_eq!(documents("a: 16.0", "a.yaml").unwrap()[0].to_string(), r#"{"a":16}"#);
    }

    #[test]
    fn aliases_of_aliases_end_before_they_unfold() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let last = format!("*a{}, ", n - 1).repeat(10);
            bomb = format!("{bomb}a{n}: &a{n} [{last}]\n");
        }
        let said = said(&bomb);
        assert!(said.len() == 1 && said[0].contains("unfold") && said[0].contains("100000"), "{said:?}");
        assert!(super::documents("a: &a {x: 1}\nb: *a\nc: *a\n", "a.yaml").is_ok());
    }

    #[test]
    fn a_list_of_objects_is_told_what_to_be() {
        let list = "apiVersion: v1\nkind: List\nitems: []\n";
        let said = crate::validate::parse_job(list, "a.yaml", &[]).unwrap_err().to_string();
        assert!(said.starts_with("a.yaml: is a List: write each"), "{said}");
    }

    #[test]
    fn what_the_reader_says_has_its_place_once_and_no_names_of_the_readers_own() {
        for text in ["a: *nope\n", "a: {b: 1\n", "a: \u{1}\n"] {
            let said = said(text);
            assert!(said.len() == 1 && said[0].starts_with("a.yaml:") && !said[0].contains("line"), "{said:?}");
        }
        let steps: String = (0..300).flat_map(|n| [" ".repeat(n), "a:\n".to_owned()]).collect();
        for deep in [format!("a: {}", "[".repeat(5000)), steps] {
            let said = said(&deep);
            assert!(said.len() == 1 && said[0].ends_with("nested too deeply"), "{said:?}");
        }
    }

    #[test]
    fn a_tab_in_the_indentation_is_called_one() {
        let said = said("a:\n\tb: 1\n");
        assert!(said.len() == 1 && said[0].contains("a.yaml:2:1: a tab"), "{said:?}");
    }
}
