//! Reading a [`Test`]: every field is known, and belongs to the test's kind.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Check, Exchange, Expected, Expr, Group, Test};

/// All fields of all kinds; a flattened enum would accept any others in silence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AnyTest {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    group: Group,
    kind: Kind,
    stdin: Option<String>,
    stdout: Option<String>,
    entry: Option<String>,
    args: Option<Vec<Expr>>,
    kwargs: Option<BTreeMap<String, Expr>>,
    expected: Option<Expected>,
    ordinary: Option<Exchange>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Stdin,
    Call,
    SqlInjection,
}

impl Kind {
    /// Its name and its fields.
    fn fields(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Stdin => ("stdin", &["stdin", "stdout"]),
            Self::Call => ("call", &["entry", "args", "kwargs", "expected"]),
            Self::SqlInjection => ("sql_injection", &["stdin", "ordinary"]),
        }
    }
}

impl TryFrom<AnyTest> for Test {
    type Error = String;

    fn try_from(test: AnyTest) -> Result<Self, String> {
        let AnyTest { name, group, kind, stdin, stdout, entry, args, kwargs, expected, ordinary } = test;
        let given = [
            ("stdin", stdin.is_some()),
            ("stdout", stdout.is_some()),
            ("entry", entry.is_some()),
            ("args", args.is_some()),
            ("kwargs", kwargs.is_some()),
            ("expected", expected.is_some()),
            ("ordinary", ordinary.is_some()),
        ];
        let (kind_name, fields) = kind.fields();
        if let Some((field, _)) = given.iter().find(|(field, given)| *given && !fields.contains(field)) {
            let allowed = fields.join(", ");
            return Err(format!("`{field}` is no field of a test of kind `{kind_name}`, which has {allowed}"));
        }
        let missing = |field: &str| format!("missing field `{field}`");
        let check = match kind {
            Kind::Stdin => Check::Stdin {
                stdin: stdin.ok_or_else(|| missing("stdin"))?,
                stdout: stdout.ok_or_else(|| missing("stdout"))?,
            },
            Kind::Call => Check::Call {
                entry: entry.ok_or_else(|| missing("entry"))?,
                args: args.unwrap_or_default(),
                kwargs: kwargs.unwrap_or_default(),
                expected: expected.ok_or_else(|| missing("expected"))?,
            },
            Kind::SqlInjection => Check::SqlInjection {
                stdin: stdin.ok_or_else(|| missing("stdin"))?,
                ordinary: ordinary.ok_or_else(|| missing("ordinary"))?,
            },
        };
        Ok(Self { name, group, check })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        serde_json::from_str::<Test>(text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_and_foreign_fields_are_named() {
        assert!(refusal(r#"{"kind":"stdin","stdin":"","stdout":"","exspected":1}"#).contains("exspected"));
        assert!(refusal(r#"{"kind":"stdin","stdin":"","stdout":"","entry":"f"}"#).contains("`entry`"));
        assert!(refusal(r#"{"kind":"stdin","stdin":""}"#).contains("missing field `stdout`"));
        assert!(refusal(r#"{"kind":"sql_injection","stdin":"","stdout":""}"#).contains("which has stdin, ordinary"));
        assert!(refusal(r#"{"kind":"sql_injection","stdin":""}"#).contains("missing field `ordinary`"));
        assert!(refusal(r#"{"kind":"telepathy"}"#).contains("telepathy"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            r#"{"kind":"stdin","stdin":"1","stdout":"2"}"#,
            r#"{"group":"safety","kind":"sql_injection","stdin":"' OR 1=1 --","ordinary":{"stdin":"a","stdout":"1"}}"#,
            r#"{"name":"n","group":"safety","kind":"call","entry":"f","args":[{"source":"1"}],"expected":{"raises":["E"]}}"#,
        ] {
            let test: Test = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&test).unwrap(), text);
        }
    }
}
