//! Transfer functions: what each instruction makes of its operands, evaluated for one function at a time.

mod binding;
mod calls;
mod constants;
mod displays;
mod ends;
mod function;
mod library;
mod mutations;
mod namespace;
mod objects;
mod parsers;
mod pass;
mod protocols;
mod refined;
mod strings;
mod transfer;
