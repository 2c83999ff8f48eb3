//! The order of exception classes, as it was before any program: which class is another's ancestor.
//!
//! A jailed process that never sees a program makes it, once for each prelude. What a program says of its exception is
//! one key of this order; what that class derives from is read here and not asked of the program.

use std::collections::{BTreeSet, HashMap};

use real_sandbox_api::Value;

/// Exception classes of the interpreter and of one prelude.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassOrder {
    /// By key (`module.qualname`).
    classes: HashMap<String, Class>,
    /// Keys by the names that the prelude binds.
    bound: HashMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Class {
    name: String,
    /// Keys, its own included.
    ancestors: BTreeSet<String>,
}

/// What a test that expects an exception accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catch {
    /// Keys of the classes and of all that derive from them.
    keys: BTreeSet<String>,
    /// Names that nothing had before the program: the task leaves the class to it.
    left_to_program: BTreeSet<String>,
}

impl ClassOrder {
    /// Reads what the harness sends; `None` where it has another shape.
    pub fn read(value: &Value) -> Option<Self> {
        let Value::List(parts) = value else { return None };
        let [Value::List(rows), Value::List(pairs)] = parts.as_slice() else { return None };
        let mut order = Self::default();
        for row in rows {
            let Value::List(row) = row else { return None };
            let [Value::Str(key), Value::Str(name), Value::List(above)] = row.as_slice() else { return None };
            let ancestors = above.iter().map(text).collect::<Option<BTreeSet<_>>>()?;
            order.classes.insert(key.clone(), Class { name: name.clone(), ancestors });
        }
        for pair in pairs {
            let Value::List(pair) = pair else { return None };
            let [Value::Str(name), Value::Str(key)] = pair.as_slice() else { return None };
            order.bound.insert(name.clone(), key.clone());
        }
        Some(order)
    }

    /// What a test accepts that expects one of these names: as the prelude binds it, else the builtin, else every class
    /// of this name or key.
    pub fn catch(&self, names: &[String]) -> Catch {
        let mut catch = Catch::default();
        for name in names {
            let wanted = self.meant_by(name);
            if wanted.is_empty() {
                catch.left_to_program.insert(name.clone());
            }
            let derived =
                self.classes.iter().filter(|(_, class)| wanted.iter().any(|key| class.ancestors.contains(*key)));
            catch.keys.extend(derived.map(|(key, _)| key.clone()));
        }
        catch
    }

    fn meant_by(&self, name: &str) -> Vec<&str> {
        if let Some(key) = self.bound.get(name) {
            return vec![key];
        }
        if let Some((key, _)) = self.classes.get_key_value(&format!("builtins.{name}")) {
            return vec![key];
        }
        let named = self.classes.iter().filter(|(key, class)| *key == name || class.name == name);
        named.map(|(key, _)| key.as_str()).collect()
    }
}

impl Catch {
    /// Whether an exception counts: `class` is the key of what it counts as, `own` the name of its class where the
    /// program has defined that itself.
    pub fn accepts(&self, class: &str, own: &str) -> bool {
        self.keys.contains(class) || (!own.is_empty() && self.left_to_program.contains(own))
    }
}

fn text(value: &Value) -> Option<String> {
    if let Value::Str(text) = value { Some(text.clone()) } else { None }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small order: four builtins, a class of the library, and a prelude with a class and a name of its own.
    pub(crate) fn order() -> ClassOrder {
        let str = |text: &str| Value::Str(text.into());
        let list = |texts: &[&str]| Value::List(texts.iter().map(|text| str(text)).collect());
        let row = |key: &str, name: &str, above: &[&str]| Value::List(vec![str(key), str(name), list(above)]);
        let value = ["builtins.ValueError", "builtins.Exception"];
        let rows = vec![
            row("builtins.Exception", "Exception", &["builtins.Exception"]),
            row(value[0], "ValueError", &value),
            row("builtins.KeyError", "KeyError", &["builtins.KeyError", "builtins.Exception"]),
            row(
                "json.decoder.JSONDecodeError",
                "JSONDecodeError",
                &["json.decoder.JSONDecodeError", value[0], value[1]],
            ),
            row("solution.KeyError", "KeyError", &["solution.KeyError", "builtins.Exception"]),
        ];
        let bound = Value::List(vec![list(&["Missing", "solution.KeyError"])]);
        ClassOrder::read(&Value::List(vec![Value::List(rows), bound])).expect("an order")
    }

    fn catches(expected: &str, class: &str, own: &str) -> bool {
        order().catch(&[expected.to_owned()]).accepts(class, own)
    }

    #[test]
    fn a_class_and_what_derives_from_it_are_accepted() {
        assert!(catches("ValueError", "builtins.ValueError", "") && catches("Exception", "builtins.KeyError", ""));
        assert!(catches("ValueError", "json.decoder.JSONDecodeError", ""));
        assert!(catches("JSONDecodeError", "json.decoder.JSONDecodeError", ""));
        assert!(!catches("ValueError", "builtins.KeyError", "") && !catches("ValueError", "", ""));
    }

    #[test]
    fn the_preludes_names_come_before_the_builtins() {
        assert!(catches("Missing", "solution.KeyError", "") && !catches("Missing", "builtins.KeyError", ""));
        assert!(!catches("KeyError", "solution.KeyError", ""), "a builtin is meant where the prelude binds nothing");
    }

    #[test]
    fn a_name_alone_counts_only_where_nothing_else_has_it() {
        assert!(!catches("ValueError", "builtins.Exception", "ValueError"));
        assert!(catches("InsufficientFunds", "builtins.Exception", "InsufficientFunds"));
        assert!(!catches("InsufficientFunds", "builtins.Exception", "Other"));
    }
}
