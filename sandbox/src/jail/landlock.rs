//! Landlock: the file tree, TCP and signals (tier B).
//!
//! Defends against: reading anything but the interpreter and its libraries (service account tokens, `/proc`, other
//! tests' boxes), writing anywhere but the box, TCP (ABI 4), signals and abstract sockets out of the test (ABI 6).
//! [`enforce`] is called once in the zygote, after `no_new_privs` and before `execve`; the ruleset of [`signal_scope`] is
//! enforced in each child, so that a test cannot signal the zygote either. Not used in tier A, where Landlock would forbid the
//! mounts that a zygote makes for its tests.

use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::{JailError, Plan};

/// Lowest version that confines files.
pub const LOWEST_ABI: i64 = 1;
/// Version that confines signals.
const SCOPE_ABI: i64 = 6;
/// Newest version whose rights are asked for; older kernels get what they have.
const WANTED: ABI = ABI::V6;

/// The kernel's Landlock version, 0 where there is none.
pub fn kernel_abi() -> i64 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call reads no memory; it returns a version or an error.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    version.max(0)
}

/// Confines this process and all it starts to the interpreter (read, execute) and the box (read, write, execute).
pub fn enforce(plan: &Plan) -> Result<(), JailError> {
    let failed = |error: &dyn std::fmt::Display| JailError::Landlock(error.to_string());
    let read = AccessFs::from_read(WANTED);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(|e| failed(&e))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))
        .map_err(|e| failed(&e))?
        .handle_access(AccessNet::from_all(WANTED))
        .map_err(|e| failed(&e))?
        .scope(Scope::from_all(WANTED))
        .map_err(|e| failed(&e))?
        .create()
        .map_err(|e| failed(&e))?
        .set_compatibility(CompatLevel::BestEffort);
    for path in plan.interpreter.visible_paths().into_iter().chain(plan.support.clone()) {
        let descriptor = PathFd::new(&path).map_err(|e| failed(&e))?;
        let rights = if path.is_dir() { read } else { read & AccessFs::from_file(WANTED) };
        ruleset = ruleset.add_rule(PathBeneath::new(descriptor, rights)).map_err(|e| failed(&e))?;
    }
    for device in ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"] {
        let Ok(descriptor) = PathFd::new(device) else { continue };
        let rights = AccessFs::ReadFile | AccessFs::WriteFile;
        ruleset = ruleset.add_rule(PathBeneath::new(descriptor, rights)).map_err(|e| failed(&e))?;
    }
    let boxed = PathFd::new(&plan.box_dir).map_err(|e| failed(&e))?;
    let rights = AccessFs::from_all(WANTED) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let status = ruleset
        .add_rule(PathBeneath::new(boxed, rights))
        .map_err(|e| failed(&e))?
        .restrict_self()
        .map_err(|e| failed(&e))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(JailError::Landlock("the kernel does not enforce it".into()));
    }
    Ok(())
}

/// A ruleset that only keeps signals and abstract sockets inside; nothing where the kernel is older than that.
///
/// Every ruleset refuses to move and link files from one folder to another, unless it says otherwise: this one says so, and
/// leaves that to [`enforce`].
pub fn signal_scope() -> Result<Option<OwnedFd>, JailError> {
    let failed = |error: &dyn std::fmt::Display| JailError::Landlock(error.to_string());
    if kernel_abi() < SCOPE_ABI {
        return Ok(None);
    }
    let everywhere = PathFd::new("/").map_err(|e| failed(&e))?;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)
        .map_err(|e| failed(&e))?
        .scope(Scope::from_all(WANTED))
        .map_err(|e| failed(&e))?
        .create()
        .map_err(|e| failed(&e))?
        .add_rule(PathBeneath::new(everywhere, AccessFs::Refer))
        .map_err(|e| failed(&e))?;
    Ok(ruleset.into())
}
