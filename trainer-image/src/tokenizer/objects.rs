//! Objects of Jinja that minijinja does not have, or has less of: cyclers, and macros that take any arguments.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// What a macro calls the arguments that it does not name: those by place, and those by name.
pub(super) const REST: [&str; 2] = ["varargs", "kwargs"];

/// The function `cycler`: its arguments one after another, again and again.
///
/// # Errors
/// There are none.
pub(super) fn cycler(items: Rest<Value>) -> Result<Value, Error> {
    if items.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "at least one item has to be provided"));
    }
    Ok(Value::from_object(Cycler { items: items.0, place: AtomicUsize::new(0) }))
}

#[derive(Debug)]
struct Cycler {
    items: Vec<Value>,
    place: AtomicUsize,
}

impl Cycler {
    fn current(&self) -> Value {
        self.items[self.place.load(Ordering::Relaxed) % self.items.len()].clone()
    }
}

impl Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "current" => Some(self.current()),
            "items" => Some(Tuple::from(self.items.clone()).into()),
            "pos" => Some(Value::from(self.place.load(Ordering::Relaxed) % self.items.len())),
            _ => None,
        }
    }

    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        let () = from_args(arguments)?;
        match method {
            "next" => {
                let current = self.current();
                self.place.fetch_add(1, Ordering::Relaxed);
                Ok(current)
            }
            "reset" => {
                self.place.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// The function `with_rest`: a macro whose last parameters are [`REST`], or one of them, given what it does not name.
pub(super) fn with_rest(inner: Value) -> Result<Value, Error> {
    let names: Vec<String> = inner
        .get_attr("arguments")?
        .try_iter()?
        .checked()
        .map(|name| Ok(name?.to_string()))
        .collect::<Result<_, Error>>()?;
    let (rest, names): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| REST.contains(&name.as_str()));
    Ok(Value::from_object(Open { inner, names, rest }))
}

/// A macro that takes more arguments than it names.
struct Open {
    inner: Value,
    names: Vec<String>,
    /// Those of [`REST`] that it reads.
    rest: Vec<String>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl Object for Open {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "arguments" => Some(Tuple::from(self.names.iter().map(Value::from).collect::<Vec<_>>()).into()),
            name @ ("name" | "caller") => self.inner.get_attr(name).ok(),
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let (given, named): (&[Value], Kwargs) = from_args(arguments)?;
        let reads = |what: &str| self.rest.iter().any(|name| name == what);
        let (own, surplus) = given.split_at(given.len().min(self.names.len()));
        if !surplus.is_empty() && !reads(REST[0]) {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        let mut passed: Vec<(String, Value)> = Vec::new();
        let mut rest: Vec<(String, Value)> = Vec::new();
        for name in named.args() {
            let pair = (name.to_owned(), named.get::<Value>(name)?);
            let is_known = name == "caller" || self.names.iter().any(|known| known == name);
            if is_known || !reads(REST[1]) { passed.push(pair) } else { rest.push(pair) }
        }
        if reads(REST[0]) {
            passed.push((REST[0].to_owned(), Tuple::from(surplus.to_vec()).into()));
        }
        if reads(REST[1]) {
            passed.push((REST[1].to_owned(), Value::from_pairs(rest)));
        }
        let mut all = own.to_vec();
        all.push(passed.into_iter().collect::<Kwargs>().into());
        self.inner.call(state, &all)
    }
}
