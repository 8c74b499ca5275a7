//! Which instructions this processor has.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::EngineError;

/// A level of SIMD. All levels give the same results; they differ in speed only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// 512-bit vectors with fused multiply-add.
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Whatever the compiler makes of plain Rust.
    Scalar,
}

/// The best level that may be used, as the number of a [`Level`]; [`limit_instruction_set`] sets it.
static BEST_ALLOWED: AtomicU8 = AtomicU8::new(Level::Avx512 as u8);

impl Level {
    /// The best level of this processor that may be used.
    pub(crate) fn detect() -> Self {
        let allowed = BEST_ALLOWED.load(Ordering::Relaxed);
        match Self::of_processor() {
            Self::Avx512 if allowed == Self::Avx512 as u8 => Self::Avx512,
            Self::Avx512 | Self::Avx2 if allowed <= Self::Avx2 as u8 => Self::Avx2,
            _ => Self::Scalar,
        }
    }

    /// The best level of this processor (the standard library caches the detection).
    fn of_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("fma")
            {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Scalar
    }
}

/// Defines a function that runs `$body`, an `#[inline(always)]` function of plain Rust, compiled
/// once for each level. Rust never reorders or fuses floating-point operations on its own, so the
/// copies agree bit for bit.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:ident;) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? { $body($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? { $body($($arg),*) }
            match $crate::kernels::Level::detect() {
                // SAFETY: `detect` returned this level, so the processor has its instructions.
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "call of a function with target features")]
                $crate::kernels::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "call of a function with target features")]
                $crate::kernels::Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => $body($($arg),*),
            }
        }
    };
}
pub(crate) use dispatch;

impl Level {
    const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Scalar];

    /// The name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Scalar => "scalar",
        }
    }
}

/// The instructions this engine uses on this processor: `avx512`, `avx2` or `scalar`.
pub fn instruction_set() -> &'static str {
    Level::detect().name()
}

/// Makes this process use no better instructions than these, named as [`instruction_set`] names
/// them; returns what is used then. Results stay the same, which is what this is for: comparing.
pub fn limit_instruction_set(name: &str) -> Result<&'static str, EngineError> {
    let level = Level::ALL.into_iter().find(|level| level.name() == name);
    let level = level.ok_or_else(|| {
        EngineError::Input(format!(
            "there is no instruction set `{name}`; choose avx512, avx2 or scalar"
        ))
    })?;
    BEST_ALLOWED.store(level as u8, Ordering::Relaxed);
    Ok(instruction_set())
}
