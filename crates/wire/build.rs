//! Generates Rust from the interface description. protox parses it, so that protoc is not needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/dsbackup.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".dsbackup.v1.FileContent.data")
        .bytes(".dsbackup.v1.RestoreFileContent.data")
        .compile_fds(descriptors)?;
    Ok(())
}
