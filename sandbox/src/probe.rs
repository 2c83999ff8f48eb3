//! Finding out which isolation this machine allows, by trying.

use std::path::Path;

use real_sandbox_api::{Comparison, Limits, Tier};

use crate::interpreter::Interpreter;
use crate::jail::landlock;
use crate::job::Work;
use crate::pool::{Order, Pool, PoolConfig};
use crate::verdict::{Wanted, ended, judge};

/// What the operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The strongest that works.
    Auto,
    /// This one or none.
    Only(Tier),
}

/// No isolation that is allowed works.
#[derive(Debug, thiserror::Error)]
#[error("no isolation works here, so programs will not be run:\n{tried}\n{advice}")]
pub struct NoIsolation {
    tried: String,
    advice: &'static str,
}

const ADVICE: &str = "allow user namespaces (kernel.unprivileged_userns_clone, AppArmor), or use a kernel with Landlock (5.13), \
    or start with --allow-unisolated if nothing on this machine needs protection";

/// Tries the tiers in order of strength, each by running a program under it, and returns the first that works.
pub async fn choose(
    wish: Wish,
    allow_unisolated: bool,
    interpreter: &Interpreter,
    scratch: &Path,
) -> Result<Tier, NoIsolation> {
    // The same walls on a kernel without Landlock are reported as G, as under gVisor.
    let namespaces = if landlock::kernel_abi() > 0 { Tier::A } else { Tier::G };
    let mut candidates = match wish {
        Wish::Auto => vec![namespaces, Tier::B],
        Wish::Only(Tier::A | Tier::G) => vec![namespaces],
        Wish::Only(tier) => vec![tier],
    };
    if allow_unisolated && wish == Wish::Auto {
        candidates.push(Tier::Unisolated);
    }
    let mut tried = Vec::new();
    for tier in candidates {
        if tier == Tier::B && landlock::kernel_abi() < landlock::LOWEST_ABI {
            tried.push("  tier B: the kernel has no Landlock".to_owned());
            continue;
        }
        match works(tier, interpreter, scratch).await {
            Ok(()) => return Ok(tier),
            Err(why) => {
                tracing::info!("tier {tier:?} does not work here: {why}");
                tried.push(format!("  tier {tier:?}: {why}"));
            }
        }
    }
    Err(NoIsolation { tried: tried.join("\n"), advice: ADVICE })
}

async fn works(tier: Tier, interpreter: &Interpreter, scratch: &Path) -> Result<(), String> {
    let config = PoolConfig {
        tier,
        interpreter: interpreter.clone(),
        workers: 1,
        queue: 1,
        scratch: scratch.join(format!("probe-{tier:?}")),
    };
    let pool = Pool::start(config).map_err(|error| error.to_string())?;
    let limits = Limits { wall_seconds: 30.0, ..Limits::default() };
    let order = Order {
        work: Work::Script {
            program: "open('file', 'w').write('written'); print(input(), open('file').read())".into(),
            hide_prompts: true,
            watch: false,
            fetch: Vec::new(),
        },
        prelude: None,
        stdin: b"read\n".to_vec(),
        files: None,
        code: None,
        keep_code: false,
        limits,
        record_bytes: 4096,
        client: None,
    };
    let done = pool.run(order).await?;
    let how = ended(&done.ending, &done.nonce, std::time::Duration::from_secs(30), u64::MAX);
    let wanted = Wanted::Output("read written".into());
    match judge(how, &done.ending.stdout, &wanted, Comparison::Exact) {
        (real_sandbox_api::Status::Passed, _) => Ok(()),
        (status, detail) => Err(format!("{status:?}: {detail}")),
    }
}
