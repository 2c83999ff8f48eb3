//! What a child reports over its result pipe.
//!
//! `P` once everything of ours is done, `R` once what the task brings is prepared, then one record: nonce, tag, body. A fault of ours (`F`) is believed only before
//! `R`, so a program cannot pass its own failure off as ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use real_sandbox_api::Value;

/// Deepest nesting of a value; deeper ones cannot be compared.
const MAX_DEPTH: usize = 200;

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
    Exception {
        /// Class names of its method resolution order, plain and qualified.
        names: Vec<String>,
        /// Its text.
        message: String,
        /// Exit status it stands for.
        exit_code: i32,
    },
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
        b'S' => match value(body)? {
            Value::Str(message) => Ok(Record::Syntax(message)),
            _ => Err("the record has another shape"),
        },
        b'E' => match value(body)? {
            Value::List(parts) => exception(&parts),
            _ => Err("the record has another shape"),
        },
        _ => Err("the record has an unknown tag"),
    }
}

fn exception(parts: &[Value]) -> Result<Record, &'static str> {
    let [Value::List(names), Value::Str(message), Value::Int(code)] = parts else {
        return Err("the record has another shape");
    };
    let names = names.iter().filter_map(|name| if let Value::Str(name) = name { Some(name.clone()) } else { None });
    let exit_code = code.parse().unwrap_or(1);
    Ok(Record::Exception { names: names.collect(), message: message.clone(), exit_code })
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
            b's' => Value::Str(self.text()?),
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
                _ => return Err("the record has another shape"),
            },
            b'o' => match (self.value(depth + 1)?, self.value(depth + 1)?) {
                (Value::Str(kind), Value::Str(text)) => Value::Object(kind, text),
                _ => return Err("the record has another shape"),
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
    }

    #[test]
    fn a_fault_after_the_program_started_is_not_believed() {
        assert!(matches!(parse(b"RFprelude broke", "nonce"), Report::Garbled(_)));
        assert!(matches!(parse(b"Fprelude broke", "nonce"), Report::NotReady(_)));
    }

    #[test]
    fn forged_second_records_and_cut_ones_are_garbled() {
        for body in ["Vi1:1nonceVi1:2", "Vl3:n", "Vi9:1", "", "Vi1:x", "X", "Vl99999999999999999999:"] {
            assert!(matches!(record(body), Report::Garbled(_)), "{body}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        assert!(matches!(record(&format!("V{}n", "l1:".repeat(100_000))), Report::Garbled(_)));
    }
}
