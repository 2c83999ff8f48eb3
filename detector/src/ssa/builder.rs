//! Control flow and SSA of one function, built together (Braun et al., "Simple and Efficient Construction of Static
//! Single Assignment Form", CC 2013): a block is *sealed* when all its predecessors are known; until then reads of a
//! variable leave operand-less φ-nodes behind, which sealing completes.
//!
//! Code has one way in: where the ways through an `if`, a loop or a `try` meet, only the variables that were written on
//! these ways need a φ-node, and the others are read where the statement began ([`Builder::open`]). The number of φ-nodes
//! therefore grows with what is written, not with variables times branches.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{Block, BlockId, Instruction, Op, Span, Terminator, ValueId};

/// A variable of one function.
pub type Variable = Rc<str>;

/// A variable by the number that its builder gave it.
type Number = u32;

/// Operands that φ-nodes of one function may have together. From then on variables are joined from all that was written
/// to them on the way, which is coarser and as long as that is.
const MAX_OPERANDS: usize = 1 << 17;

/// Instructions that most functions have.
const USUAL: usize = 16;

/// Blocks that are walked up to see whether one is before another.
const MAX_WALK: usize = 64;

/// Ways that meet in one block, for each value that a variable may have there, beyond which all values are joined.
const WAYS_PER_VALUE: usize = 8;

/// Code with one way in.
#[derive(Debug)]
struct Region {
    /// The block it begins in.
    entry: BlockId,
    /// What it writes.
    written: FxHashMap<Number, Vec<ValueId>>,
}

/// A block in which the ways out of a region meet.
#[derive(Clone, Debug)]
struct Exit {
    region: Rc<Region>,
    /// Whether control comes from anywhere within.
    catches: bool,
}

/// Blocks and instructions under construction.
#[derive(Debug, Default)]
pub struct Builder {
    /// Finished and unfinished blocks.
    pub blocks: Vec<Block>,
    /// Instructions so far.
    pub values: Vec<Instruction>,
    numbers: FxHashMap<Variable, Number>,
    definitions: FxHashMap<(BlockId, Number), ValueId>,
    sealed: Vec<bool>,
    incomplete: FxHashMap<BlockId, Vec<(Number, ValueId)>>,
    open: Vec<Region>,
    exits: FxHashMap<BlockId, Exit>,
    operands: usize,
    current: Option<BlockId>,
}

/// A region that was closed.
#[derive(Clone, Debug)]
pub struct Closed(Rc<Region>);

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
        self.sealed.push(false);
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
        terminator.targets(|to| self.blocks[to.0 as usize].predecessors.push(from));
        self.blocks[from.0 as usize].terminator = terminator;
    }

    /// Lets the instructions of the current block jump to `handler`, whose region must be closed before it is sealed.
    pub fn may_raise_to(&mut self, handler: BlockId) {
        let from = self.here();
        if !self.blocks[from.0 as usize].handlers.contains(&handler) {
            self.blocks[from.0 as usize].handlers.push(handler);
            self.blocks[handler.0 as usize].predecessors.push(from);
        }
    }

    /// Begins a region here.
    pub fn open(&mut self) {
        let entry = self.here();
        self.open.push(Region { entry, written: FxHashMap::default() });
    }

    /// Ends the innermost region.
    pub fn close(&mut self) -> Closed {
        let region = self.open.pop().unwrap_or(Region { entry: BlockId(0), written: FxHashMap::default() });
        if let Some(outer) = self.open.last_mut() {
            for (variable, values) in &region.written {
                outer.written.entry(*variable).or_default().extend(values);
            }
        }
        Closed(Rc::new(region))
    }

    /// Ends the innermost region, whose ways out meet in `block`.
    pub fn close_at(&mut self, block: BlockId) {
        let closed = self.close();
        self.leave(&closed, block);
    }

    /// Says that `block` is reached from within a region only.
    pub fn leave(&mut self, region: &Closed, block: BlockId) {
        self.exits.insert(block, Exit { region: region.0.clone(), catches: false });
    }

    /// Says that `block` is reached by exceptions from within a region only: a variable may be all that it was there.
    pub fn catch(&mut self, region: &Closed, block: BlockId) {
        self.exits.insert(block, Exit { region: region.0.clone(), catches: true });
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
        if self.values.is_empty() {
            self.values.reserve(USUAL);
        }
        self.values.push(Instruction { op, span, block });
        id
    }

    /// Binds a variable in the current block.
    pub fn write(&mut self, variable: &Variable, value: ValueId) {
        let block = self.here();
        self.write_first(variable, value, block);
    }

    /// Binds a variable at the function's entry, where every read finds it that finds nothing nearer.
    pub fn write_at_entry(&mut self, variable: &Variable, value: ValueId) {
        let number = self.number(variable);
        self.definitions.insert((BlockId(0), number), value);
    }

    /// Binds a variable in a block before any of its code has read it.
    pub fn write_first(&mut self, variable: &Variable, value: ValueId, block: BlockId) {
        let number = self.number(variable);
        self.definitions.insert((block, number), value);
        if let Some(region) = self.open.last_mut() {
            region.written.entry(number).or_default().push(value);
        }
    }

    /// Whether what is bound in an earlier block is found from here: nothing lies between that is jumped over.
    pub fn reaches(&mut self, block: BlockId) -> bool {
        let mut at = self.here();
        for _ in 0..MAX_WALK {
            if at == block {
                return true;
            }
            at = match (self.exits.get(&at), self.blocks[at.0 as usize].predecessors.as_slice()) {
                (Some(exit), _) => exit.region.entry,
                // The beginning of a loop whose end is not lowered yet: the first way in is the one from before it.
                (None, [first, ..]) if !self.sealed[at.0 as usize] => *first,
                (None, [single]) => *single,
                (None, _) => return false,
            };
        }
        false
    }

    /// The current value of a variable; [`Op::Unknown`] where it is unbound.
    pub fn read(&mut self, variable: &Variable) -> ValueId {
        let (block, number) = (self.here(), self.number(variable));
        self.read_in(number, block)
    }

    fn number(&mut self, variable: &Variable) -> Number {
        if let Some(number) = self.numbers.get(variable) {
            return *number;
        }
        let next = self.numbers.len() as Number;
        self.numbers.insert(variable.clone(), next);
        next
    }

    fn read_in(&mut self, variable: Number, block: BlockId) -> ValueId {
        // Walks up single predecessors and over regions without recursion: long programs make long chains of blocks.
        let mut start = None;
        let mut at = block;
        let value = loop {
            if let Some(&value) = self.definitions.get(&(at, variable)) {
                break value;
            }
            if !self.sealed[at.0 as usize] {
                let phi = self.phi(at);
                self.incomplete.entry(at).or_default().push((variable, phi));
                self.remember(variable, at, phi);
                break phi;
            }
            if let Some(exit) = self.exits.get(&at) {
                match exit.region.written.get(&variable) {
                    None => {
                        start.get_or_insert(at);
                        at = exit.region.entry;
                        continue;
                    }
                    Some(written) if exit.catches || self.is_sparse(written.len(), at) => {
                        let region = exit.region.clone();
                        break self.join(variable, at, &region);
                    }
                    Some(_) => {}
                }
            }
            match self.blocks[at.0 as usize].predecessors.as_slice() {
                [] => {
                    let unknown = self.add(Op::Unknown, Span::default(), at);
                    self.blocks[at.0 as usize].instructions.insert(0, unknown);
                    self.remember(variable, at, unknown);
                    break unknown;
                }
                [single] => {
                    start.get_or_insert(at);
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
        // Only where the walk began: in every block on the way it would be as many as variables times blocks.
        if let Some(start) = start {
            self.remember(variable, start, value);
        }
        value
    }

    /// Whether a φ-node of this block would have far more operands than there are values.
    fn is_sparse(&self, written: usize, block: BlockId) -> bool {
        let ways = self.blocks[block.0 as usize].predecessors.len();
        self.operands > MAX_OPERANDS || ways > WAYS_PER_VALUE * (written + 1)
    }

    fn remember(&mut self, variable: Number, block: BlockId, value: ValueId) {
        self.definitions.entry((block, variable)).or_insert(value);
    }

    fn phi(&mut self, block: BlockId) -> ValueId {
        let phi = self.add(Op::Phi(vec![]), Span::default(), block);
        self.blocks[block.0 as usize].phis.push(phi);
        phi
    }

    fn complete(&mut self, variable: Number, block: BlockId, phi: ValueId) {
        let predecessors = self.blocks[block.0 as usize].predecessors.clone();
        self.operands += predecessors.len();
        let operands = predecessors.into_iter().map(|from| self.read_in(variable, from)).collect();
        self.values[phi.0 as usize].op = Op::Phi(operands);
    }

    /// All that a variable was from the beginning of a region on.
    fn join(&mut self, variable: Number, block: BlockId, region: &Region) -> ValueId {
        let join = self.add(Op::Join(vec![]), Span::default(), block);
        self.blocks[block.0 as usize].phis.push(join);
        self.remember(variable, block, join);
        let mut operands = vec![self.read_in(variable, region.entry)];
        operands.extend(region.written.get(&variable).into_iter().flatten());
        operands.sort_unstable();
        operands.dedup();
        self.values[join.0 as usize].op = Op::Join(operands);
        join
    }

    /// Says that all predecessors of a block are known.
    pub fn seal(&mut self, block: BlockId) {
        self.sealed[block.0 as usize] = true;
        for (variable, phi) in self.incomplete.remove(&block).unwrap_or_default() {
            self.complete(variable, block, phi);
        }
    }
}
