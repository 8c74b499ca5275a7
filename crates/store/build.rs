//! Rebuilds the crate when a migration is added: the migrations are embedded at build time.

fn main() {
    #[allow(clippy::print_stdout)] // This is how a build script speaks to cargo.
    {
        println!("cargo:rerun-if-changed=migrations");
    }
}
