//! Which expressions of a test table name exception classes.

use ruff_python_ast::{Expr as Node, Stmt};

/// The built-in exception classes of Python 3.11 to 3.14 whose names do not end in `Error`.
const OTHER_BUILTINS: [&str; 9] = [
    "BaseException",
    "BaseExceptionGroup",
    "Exception",
    "ExceptionGroup",
    "GeneratorExit",
    "KeyboardInterrupt",
    "StopAsyncIteration",
    "StopIteration",
    "SystemExit",
];

/// The class name if the expression names an exception class: by its definition, or by Python's naming convention
/// (PEP 8: exception classes that are errors end in `Error`).
pub(crate) fn named_by(node: &Node, own: &[String]) -> Option<String> {
    let name = match node {
        Node::Name(name) => name.id.as_str(),
        Node::Attribute(attribute) => attribute.attr.as_str(),
        _ => return None,
    };
    let known = own.iter().any(|class| class == name)
        || OTHER_BUILTINS.contains(&name)
        || ["Error", "Exception", "Warning"].iter().any(|ending| name.ends_with(ending));
    known.then(|| name.to_owned())
}

/// Classes defined by these statements that derive from an exception.
pub(crate) fn defined_in(statements: &[Stmt]) -> Vec<String> {
    let mut own: Vec<String> = Vec::new();
    for statement in statements {
        if let Stmt::ClassDef(class) = statement
            && class.bases().iter().any(|base| named_by(base, &own).is_some())
        {
            own.push(class.name.to_string());
        }
    }
    own
}
