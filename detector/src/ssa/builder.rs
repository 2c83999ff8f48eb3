//! Control flow and SSA of one function, built together (Braun et al., "Simple and Efficient Construction of Static
//! Single Assignment Form", CC 2013): a block is *sealed* when all its predecessors are known; until then reads of a
//! variable leave operand-less φ-nodes behind, which sealing completes.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Block, BlockId, Instruction, Op, Span, Terminator, ValueId};

/// A variable of one function.
pub type Variable = Rc<str>;

/// Blocks and instructions under construction.
#[derive(Debug, Default)]
pub struct Builder {
    /// Finished and unfinished blocks.
    pub blocks: Vec<Block>,
    /// Instructions so far.
    pub values: Vec<Instruction>,
    definitions: Vec<HashMap<Variable, ValueId>>,
    entry_definitions: Vec<HashMap<Variable, ValueId>>,
    sealed: Vec<bool>,
    incomplete: Vec<Vec<(Variable, ValueId)>>,
    handler_edges: Vec<Vec<BlockId>>,
    current: Option<BlockId>,
}

impl Builder {
    /// Adds an empty block that nothing leads to yet.
    pub fn block(&mut self) -> BlockId {
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(Block {
            phis: vec![],
            instructions: vec![],
            terminator: Terminator::Stop,
            predecessors: vec![],
            handlers: vec![],
        });
        self.definitions.push(HashMap::new());
        self.entry_definitions.push(HashMap::new());
        self.sealed.push(false);
        self.incomplete.push(vec![]);
        self.handler_edges.push(vec![]);
        id
    }

    /// The block that instructions go to; code after a `return` gets a block that nothing reaches.
    pub fn here(&mut self) -> BlockId {
        if let Some(block) = self.current {
            return block;
        }
        let block = self.block();
        self.seal(block);
        self.current = Some(block);
        block
    }

    /// Whether control can come to the next instruction.
    pub fn reachable(&self) -> bool {
        self.current.is_some()
    }

    /// Continues in `block`.
    pub fn enter(&mut self, block: BlockId) {
        self.current = Some(block);
    }

    /// Ends the current block. Later code is unreachable until [`Builder::enter`].
    pub fn end(&mut self, terminator: Terminator) {
        let Some(from) = self.current.take() else { return };
        let targets = match &terminator {
            Terminator::Goto(to) => vec![*to],
            Terminator::Branch { then, otherwise, .. } => vec![*then, *otherwise],
            Terminator::Choice(to) => to.clone(),
            Terminator::Return(_) | Terminator::Stop => vec![],
        };
        for to in targets {
            self.blocks[to.0 as usize].predecessors.push(from);
        }
        self.blocks[from.0 as usize].terminator = terminator;
    }

    /// Lets the instructions of the current block jump to `handler`, with the variables as they are now. The current
    /// block must have no definitions yet.
    pub fn may_raise_to(&mut self, handler: BlockId) {
        let from = self.here();
        if !self.handler_edges[from.0 as usize].contains(&handler) {
            self.handler_edges[from.0 as usize].push(handler);
            self.blocks[from.0 as usize].handlers.push(handler);
            self.blocks[handler.0 as usize].predecessors.push(from);
        }
    }

    /// Appends an instruction to the current block.
    pub fn push(&mut self, op: Op, span: Span) -> ValueId {
        let block = self.here();
        let id = self.add(op, span, block);
        self.blocks[block.0 as usize].instructions.push(id);
        id
    }

    fn add(&mut self, op: Op, span: Span, block: BlockId) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(Instruction { op, span, block });
        id
    }

    /// Binds a variable in the current block.
    pub fn write(&mut self, variable: &Variable, value: ValueId) {
        let block = self.here();
        self.definitions[block.0 as usize].insert(variable.clone(), value);
    }

    /// The current value of a variable; [`Op::Unknown`] where it is unbound.
    pub fn read(&mut self, variable: &Variable) -> ValueId {
        let block = self.here();
        self.read_in(variable, block)
    }

    /// The current value of a variable where it is bound in the current block itself.
    pub fn bound_here(&mut self, variable: &Variable) -> Option<ValueId> {
        let block = self.here();
        self.definitions[block.0 as usize].get(variable).copied()
    }

    fn read_in(&mut self, variable: &Variable, block: BlockId) -> ValueId {
        // Walks up single predecessors without recursion: long programs make long chains of blocks.
        let mut chain = vec![];
        let mut at = block;
        let value = loop {
            if let Some(&value) = self.definitions[at.0 as usize].get(variable) {
                break value;
            }
            if !self.sealed[at.0 as usize] {
                let phi = self.phi(at);
                self.incomplete[at.0 as usize].push((variable.clone(), phi));
                self.remember(variable, at, phi);
                break phi;
            }
            let predecessors = &self.blocks[at.0 as usize].predecessors;
            match predecessors.as_slice() {
                [] => {
                    let unknown = self.add(Op::Unknown, Span::default(), at);
                    self.blocks[at.0 as usize].instructions.insert(0, unknown);
                    self.remember(variable, at, unknown);
                    break unknown;
                }
                [single] if !self.is_handler_edge(*single, at) => {
                    chain.push(at);
                    at = *single;
                }
                _ => {
                    let phi = self.phi(at);
                    self.remember(variable, at, phi);
                    self.complete(variable, at, phi);
                    break phi;
                }
            }
        };
        for block in chain {
            self.remember(variable, block, value);
        }
        value
    }

    fn remember(&mut self, variable: &Variable, block: BlockId, value: ValueId) {
        self.definitions[block.0 as usize].entry(variable.clone()).or_insert(value);
        self.entry_definitions[block.0 as usize].insert(variable.clone(), value);
    }

    fn is_handler_edge(&self, from: BlockId, to: BlockId) -> bool {
        self.handler_edges[from.0 as usize].contains(&to)
    }

    fn phi(&mut self, block: BlockId) -> ValueId {
        let phi = self.add(Op::Phi(vec![]), Span::default(), block);
        self.blocks[block.0 as usize].phis.push(phi);
        phi
    }

    fn complete(&mut self, variable: &Variable, block: BlockId, phi: ValueId) {
        let predecessors = self.blocks[block.0 as usize].predecessors.clone();
        let operands = predecessors
            .into_iter()
            .map(|from| {
                if self.is_handler_edge(from, block) {
                    self.read_at_entry(variable, from)
                } else {
                    self.read_in(variable, from)
                }
            })
            .collect();
        self.values[phi.0 as usize].op = Op::Phi(operands);
    }

    /// The value of a variable before the first instruction of a block.
    fn read_at_entry(&mut self, variable: &Variable, block: BlockId) -> ValueId {
        if let Some(&value) = self.entry_definitions[block.0 as usize].get(variable) {
            return value;
        }
        match self.definitions[block.0 as usize].remove(variable) {
            None => self.read_in(variable, block),
            Some(later) => {
                let value = self.read_in(variable, block);
                self.definitions[block.0 as usize].insert(variable.clone(), later);
                self.entry_definitions[block.0 as usize].insert(variable.clone(), value);
                value
            }
        }
    }

    /// Says that all predecessors of a block are known.
    pub fn seal(&mut self, block: BlockId) {
        self.sealed[block.0 as usize] = true;
        for (variable, phi) in std::mem::take(&mut self.incomplete[block.0 as usize]) {
            self.complete(&variable, block, phi);
        }
    }
}
