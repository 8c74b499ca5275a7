//! Kind `sql`: a query is right if it gives the rows that gold's query gives.

mod compare;
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is launched")
)]
mod execute;
mod verify;

#[cfg(target_os = "linux")]
pub(crate) use execute::serve;
