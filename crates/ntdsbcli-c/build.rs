//! Linker arguments of the shared library: its soname, and no unloading.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The soname has the version of the interface, not of the project.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libntdsbcli.so.0");
        // Threads of the library carry connections and may run when a program calls dlclose, so its
        // code stays loaded.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
