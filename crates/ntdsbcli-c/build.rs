//! Tells the linker what a shared library that programs are built against needs.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // Programs ask for the version of the interface, not for that of the project.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libntdsbcli.so.0");
        // Its threads carry connections and may run when a program calls dlclose: the code stays
        // where it is.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
