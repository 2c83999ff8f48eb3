//! What a child reports over its result pipe.
//!
//! `P` once everything of ours is done, `R` once what the task brings is prepared, the program's code where it is wanted, then one
//! record: nonce, tag, body. A fault of ours (`F`) is believed only before
//! `R`, so a program cannot pass its own failure off as ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use real_sandbox_api::Value;

/// Deepest nesting of a value; deeper ones cannot be compared.
const MAX_DEPTH: usize = 200;
const OTHER_SHAPE: &str = "the record has another shape";

/// The child's report, as far as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Nothing of the program was run: our failure.
    NotReady(String),
    /// Nothing of the program was run, because something of the task's failed (prelude, argument).
    Unprepared(String),
    /// The program was started and no record came.
    Silent,
    /// The program wrote to the pipe itself.
    Garbled(String),
    /// A record.
    Record(Record),
}

/// How the program ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It ran to its end.
    Done,
    /// It returned a value.
    Value(Value),
    /// It ran to its end; files follow.
    Files(Vec<u8>),
    /// It does not compile.
    Syntax(String),
    /// `MemoryError`.
    Memory,
    /// A value or a file bundle too large to send.
    TooLarge,
    /// An exception.
    Exception(Raised),
    /// What it asked of `SQLite`, and then how it ended.
    Watched(Statements, Box<Record>),
}

/// What a watched program asked of `SQLite`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// Each statement once, as it was given: values that are bound are not in it.
    pub texts: Vec<String>,
    /// The first way past the watched classes that it took; empty where it took none.
    pub past: String,
}

/// An exception that ended a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Where it came from.
    pub stage: Stage,
    /// Key (`module.qualname`) of the one class that it counts as, among those that were there before the program; empty
    /// where that could not be found out. One class and no list: a forged record claims no more than `raise` does.
    pub class: String,
    /// Name of its class where the program has defined that itself, else empty.
    pub own: String,
    /// Its text.
    pub message: String,
    /// Exit status it stands for.
    pub exit_code: i32,
}

/// Where an exception came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A program that is run as a whole.
    Run,
    /// Executing the program, before anything of it was called.
    Import,
    /// Finding the callable, or calling it with arguments that it does not take.
    Entry,
    /// The call itself.
    Call,
    /// Looking at the returned value.
    Value,
}

impl Raised {
    /// Name of its class, as people write it.
    pub fn name(&self) -> &str {
        let known = self.class.strip_prefix("builtins.").unwrap_or(&self.class);
        [self.own.as_str(), known].into_iter().find(|name| !name.is_empty()).unwrap_or("exception")
    }
}

/// As the last line of a traceback, with where it happened if that was not in the program's own course.
impl std::fmt::Display for Raised {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.stage {
            Stage::Run | Stage::Call => "",
            Stage::Import => "while the program was executed: ",
            Stage::Entry => "the entry point cannot be called: ",
            Stage::Value => "the returned value cannot be read: ",
        })?;
        formatter.write_str(self.name())?;
        if self.message.is_empty() { Ok(()) } else { write!(formatter, ": {}", self.message) }
    }
}

/// Takes out the program's code (`K`, length, code), which stands right after `R`, before anything of the program has run. What is
/// not whole is left for [`parse`], to which it means nothing.
pub fn take_code(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    const START: &[u8] = b"PRK";
    let mut reader = Reader { rest: bytes.strip_prefix(START)? };
    let code = reader.content().ok()?.to_vec();
    let end = bytes.len() - reader.rest.len();
    bytes.drain(START.len() - 1..end);
    Some(code)
}

/// Reads what came over the pipe.
pub fn parse(bytes: &[u8], nonce: &str) -> Report {
    let (prepares, bytes) = bytes.strip_prefix(b"P").map_or((false, bytes), |rest| (true, rest));
    let Some(rest) = bytes.strip_prefix(b"R") else {
        if prepares {
            return Report::Unprepared(String::from_utf8_lossy(bytes).trim().to_owned());
        }
        let text = bytes.strip_prefix(b"F").unwrap_or(bytes);
        let text = String::from_utf8_lossy(text).trim().to_owned();
        return Report::NotReady(if text.is_empty() {
            "the process ended before the program started".into()
        } else {
            text
        });
    };
    if rest.is_empty() {
        return Report::Silent;
    }
    let Some(record) = rest.strip_prefix(nonce.as_bytes()) else {
        return Report::Garbled("the program wrote to the result pipe".into());
    };
    match record.split_first().map(|(tag, body)| parse_record(*tag, body)) {
        Some(Ok(record)) => Report::Record(record),
        Some(Err(why)) => Report::Garbled(why.into()),
        None => Report::Garbled("the record is cut short".into()),
    }
}

fn parse_record(tag: u8, body: &[u8]) -> Result<Record, &'static str> {
    let empty = |record| if body.is_empty() { Ok(record) } else { Err("the record is longer than it should be") };
    match tag {
        b'D' => empty(Record::Done),
        b'M' => empty(Record::Memory),
        b'L' => empty(Record::TooLarge),
        b'B' => Ok(Record::Files(body.to_vec())),
        b'V' => value(body).map(Record::Value),
        b'S' => text(&value(body)?).map(Record::Syntax),
        b'Q' => {
            let mut reader = Reader { rest: body };
            let statements = statements(reader.value(0)?)?;
            match reader.rest.split_first() {
                Some((tag @ (b'D' | b'E'), body)) => {
                    Ok(Record::Watched(statements, Box::new(parse_record(*tag, body)?)))
                }
                _ => Err(OTHER_SHAPE),
            }
        }
        b'E' => match value(body)? {
            Value::List(parts) => exception(&parts).map(Record::Exception),
            _ => Err(OTHER_SHAPE),
        },
        _ => Err("the record has an unknown tag"),
    }
}

fn statements(value: Value) -> Result<Statements, &'static str> {
    let Value::List(parts) = value else { return Err(OTHER_SHAPE) };
    let [Value::List(texts), past] = parts.as_slice() else { return Err(OTHER_SHAPE) };
    Ok(Statements { texts: texts.iter().map(text).collect::<Result<_, _>>()?, past: text(past)? })
}

fn exception(parts: &[Value]) -> Result<Raised, &'static str> {
    let [stage, class, own, message, Value::Int(code)] = parts else { return Err(OTHER_SHAPE) };
    let stage = match text(stage)?.as_str() {
        "run" => Stage::Run,
        "import" => Stage::Import,
        "entry" => Stage::Entry,
        "call" => Stage::Call,
        "value" => Stage::Value,
        _ => return Err(OTHER_SHAPE),
    };
    let exit_code = code.parse().unwrap_or(1);
    Ok(Raised { stage, class: text(class)?, own: text(own)?, message: text(message)?, exit_code })
}

/// A text of ours or for people, where lone surrogates do not matter.
fn text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::Str(text) | Value::Object(_, text) => Ok(text.clone()),
        _ => Err(OTHER_SHAPE),
    }
}

/// One value in the harness's encoding, and nothing after it.
fn value(bytes: &[u8]) -> Result<Value, &'static str> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err("the record is longer than it should be") }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        if depth > MAX_DEPTH {
            return Err("the value is nested too deeply to be compared");
        }
        let (tag, rest) = self.rest.split_first().ok_or("the record is cut short")?;
        self.rest = rest;
        Ok(match tag {
            b'n' => Value::None,
            b't' => Value::Bool(true),
            b'f' => Value::Bool(false),
            b'i' => Value::Int(self.digits()?),
            b'd' => Value::Float(self.text()?),
            // A string with lone surrogates has no UTF-8 form: it is equal to the same one and to nothing else.
            b's' => {
                let content = self.content()?;
                std::str::from_utf8(content).map_or_else(
                    |_| Value::Object("str".into(), content.escape_ascii().to_string()),
                    |text| Value::Str(text.to_owned()),
                )
            }
            b'D' => Value::Decimal(self.text()?),
            b'b' => Value::Bytes(STANDARD.encode(self.content()?)),
            b'l' => Value::List(self.many(depth)?),
            b'u' => Value::Tuple(self.many(depth)?),
            b'e' => Value::Set(self.many(depth)?),
            b'm' => {
                let count = self.number()?;
                let mut pairs = Vec::new();
                for _ in 0..count {
                    pairs.push((self.value(depth + 1)?, self.value(depth + 1)?));
                }
                Value::Dict(pairs)
            }
            b'c' => match (self.value(depth + 1)?, self.value(depth + 1)?) {
                (Value::Float(real), Value::Float(imaginary)) => Value::Complex(real, imaginary),
                _ => return Err(OTHER_SHAPE),
            },
            b'r' => {
                let count = self.number()?;
                let Value::Str(kind) = self.value(depth + 1)? else { return Err(OTHER_SHAPE) };
                let mut parts = Vec::new();
                for _ in 0..count {
                    parts.push(self.value(depth + 1)?);
                }
                Value::Record(kind, parts)
            }
            b'o' => match (self.value(depth + 1)?, self.value(depth + 1)?) {
                (Value::Str(kind), Value::Str(text) | Value::Object(_, text)) => Value::Object(kind, text),
                _ => return Err(OTHER_SHAPE),
            },
            _ => return Err("the record has an unknown tag"),
        })
    }

    fn many(&mut self, depth: usize) -> Result<Vec<Value>, &'static str> {
        let count = self.number()?;
        // Not allocated ahead: the count is the child's word.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    fn number(&mut self) -> Result<usize, &'static str> {
        let end = self.rest.iter().take(12).position(|byte| *byte == b':').ok_or("a length is missing")?;
        let (digits, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or("a length is not a number")
    }

    fn content(&mut self) -> Result<&[u8], &'static str> {
        let length = self.number()?;
        if length > self.rest.len() {
            return Err("the record is cut short");
        }
        let (content, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(content)
    }

    fn text(&mut self) -> Result<String, &'static str> {
        Ok(String::from_utf8_lossy(self.content()?).into_owned())
    }

    fn digits(&mut self) -> Result<String, &'static str> {
        let text = self.text()?;
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("an integer is not a number");
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &str) -> Report {
        parse(format!("Rnonce{body}").as_bytes(), "nonce")
    }

    #[test]
    fn values_are_read_in_prefix_order() {
        let expected = Value::Tuple(vec![
            Value::Int("-12".into()),
            Value::Dict(vec![(Value::Str("a".into()), Value::List(vec![Value::None, Value::Bool(true)]))]),
        ]);
        assert_eq!(record("Vu2:i3:-12m1:s1:al2:nt"), Report::Record(Record::Value(expected)));
        let deque = Value::Record("collections.deque".into(), vec![Value::Int("1".into())]);
        assert_eq!(record("Vr1:s17:collections.dequei1:1"), Report::Record(Record::Value(deque)));
        assert!(matches!(record("Vr1:i1:1i1:1"), Report::Garbled(_)), "a type has a name");
    }

    #[test]
    fn a_fault_after_the_program_started_is_not_believed() {
        assert!(matches!(parse(b"RFprelude broke", "nonce"), Report::Garbled(_)));
        assert!(matches!(parse(b"Fprelude broke", "nonce"), Report::NotReady(_)));
    }

    #[test]
    fn code_is_taken_from_before_the_record_and_from_nowhere_else() {
        let taken = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            (take_code(&mut bytes), bytes)
        };
        assert_eq!(taken(b"PRK3:abcnonceD"), (Some(b"abc".to_vec()), b"PRnonceD".to_vec()));
        for other in [&b"PRnonceVs2:K1"[..], b"PRK9:abc", b"PRKx:abc", b"PK3:abc", b"PR", b""] {
            assert_eq!(taken(other), (None, other.to_vec()));
        }
        assert!(matches!(parse(b"PRK9:abc", "nonce"), Report::Garbled(_)));
    }

    #[test]
    fn forged_second_records_and_cut_ones_are_garbled() {
        for body in ["Vi1:1nonceVi1:2", "Vl3:n", "Vi9:1", "", "Vi1:x", "X", "Vl99999999999999999999:"] {
            assert!(matches!(record(body), Report::Garbled(_)), "{body}");
        }
    }

    #[test]
    fn an_exception_is_one_class_and_a_place() {
        let Report::Record(Record::Exception(raised)) = record("El5:s4:calls19:builtins.ValueErrors3:Odds3:whyi1:1")
        else {
            panic!("an exception");
        };
        assert_eq!(
            (raised.stage, raised.class.as_str(), raised.to_string().as_str()),
            (Stage::Call, "builtins.ValueError", "Odd: why")
        );
        // Several classes, or a place that does not exist, are no record of ours.
        for body in
            ["El3:l2:s10:ValueErrors8:KeyErrors0:i1:1", "El5:s4:mines1:xs0:s0:i1:1", "El5:l1:s4:calls1:xs0:s0:i1:1"]
        {
            assert!(matches!(record(body), Report::Garbled(_)), "{body}");
        }
    }

    #[test]
    fn statements_come_before_how_the_program_ended() {
        let statements = Statements { texts: vec!["SELECT 1".into()], past: String::new() };
        assert_eq!(
            record("Ql2:l1:s8:SELECT 1s0:D"),
            Report::Record(Record::Watched(statements, Box::new(Record::Done)))
        );
        for body in ["Ql2:l0:s0:", "Ql2:l0:s0:Vn", "Ql2:l0:s0:Ql2:l0:s0:D", "Ql1:l0:D", "Ql2:l1:ns0:D"] {
            assert!(matches!(record(body), Report::Garbled(_)), "{body}");
        }
    }

    #[test]
    fn strings_without_a_utf_8_form_stay_apart() {
        let read = |bytes: &[u8]| parse(&[b"RnonceVs3:", bytes].concat(), "nonce");
        assert_ne!(read(b"\xed\xa0\x80"), read(b"\xed\xa0\x81"));
        assert_ne!(read(b"\xed\xa0\x80"), read("\u{fffd}".as_bytes()));
        assert_eq!(read(b"\xed\xa0\x80"), read(b"\xed\xa0\x80"));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        assert!(matches!(record(&format!("V{}n", "l1:".repeat(100_000))), Report::Garbled(_)));
    }
}
