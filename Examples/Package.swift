// swift-tools-version: 6.2
import PackageDescription

// A package of its own, as yours is: it sees the public interface alone. In yours, name the repository instead of the folder,
// with `branch:` or `revision:`, since the package compiles C with flags of its own.
let package = Package(
  name: "Examples",
  dependencies: [.package(name: "fgn-dist", path: "..")],
  targets: ["train-network", "train-across-ranks"].map { name in
    .executableTarget(
      name: name,
      dependencies: ["GaussNewton", "Networks", "LinearAlgebra", "MPI"].map { .product(name: $0, package: "fgn-dist") })
  },
  swiftLanguageModes: [.v6]
)
