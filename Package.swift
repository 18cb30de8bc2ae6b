// swift-tools-version: 6.2
import PackageDescription

// Which MPI to build against: the name of its pkg-config file. `FGN_MPI=mpich swift build` builds against MPICH.
let mpiPackage = Context.environment["FGN_MPI"] ?? "ompi-c"

// Which BLAS, and where that has no LAPACK which one of that: likewise. `FGN_BLAS=mkl swift build`, or
// `FGN_BLAS=blis FGN_LAPACK=lapack swift build`.
let blasPackage = Context.environment["FGN_BLAS"] ?? "openblas"
let lapackPackage = Context.environment["FGN_LAPACK"] ?? blasPackage

// glibc's vector maths library is reached through the compiler, which has it on x86-64.
#if arch(x86_64)
  let kernelFlags: [CSetting] = [.unsafeFlags(["-O3", "-fno-math-errno", "-fveclib=libmvec"])]
#else
  let kernelFlags: [CSetting] = [.unsafeFlags(["-O3", "-fno-math-errno"])]
#endif

// The plugin that makes the reference of the libraries is fetched only by those who ask for it: `FGN_DOCUMENTATION=1 swift
// package generate-documentation --target GaussNewton`.
let documentation: [Package.Dependency] =
  Context.environment["FGN_DOCUMENTATION"] == nil
  ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")]

// Optimising these takes longer than it saves.
let unoptimized: [SwiftSetting] = [.unsafeFlags(["-Onone"])]

// What never sees MPI is not tested again with another one.
let testsWithoutMPI: [Target] =
  mpiPackage == "mpich"
  ? []
  : [
    .testTarget(
      name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(
      name: "DatasetsTests", dependencies: ["Datasets", "CBzip2", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(name: "NetworksTests", dependencies: ["Networks", "LinearAlgebra", "TestSupport"]),
    .testTarget(
      name: "StudyTests", dependencies: ["Study", "Training", "GaussNewton", "LinearAlgebra", "MPI"],
      swiftSettings: unoptimized),
    .testTarget(name: "TuningTests", dependencies: ["Tuning", "Training"], swiftSettings: unoptimized),
    .testTarget(name: "SupervisionTests", dependencies: ["Supervision"], swiftSettings: unoptimized),
  ]

let package = Package(
  name: "fgn-dist",
  products: [
    .executable(name: "fgn-dist", targets: ["fgn-dist"]),
    .library(name: "GaussNewton", targets: ["GaussNewton"]),
    .library(name: "Networks", targets: ["Networks"]),
    .library(name: "LinearAlgebra", targets: ["LinearAlgebra"]),
    .library(name: "MPI", targets: ["MPI"]),
  ],
  dependencies: documentation + [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CMPI", pkgConfig: mpiPackage, providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CBLAS", pkgConfig: blasPackage, providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CLAPACK", pkgConfig: lapackPackage),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CBzip2", providers: [.apt(["libbz2-dev"])]),
    .target(name: "CKernels", cSettings: kernelFlags, linkerSettings: [.linkedLibrary("m")]),
    .target(name: "CSystem"),

    .target(name: "MPI", dependencies: ["CMPI", "CSystem"]),
    .target(name: "LinearAlgebra", dependencies: ["CBLAS", "CLAPACK", "CKernels"]),
    .target(name: "Datasets", dependencies: ["LinearAlgebra", "CSystem", "CBzip2", "CKernels", "CZlib"]),
    .target(name: "Networks", dependencies: ["LinearAlgebra"]),
    .target(name: "GaussNewton", dependencies: ["Networks", "MPI", "LinearAlgebra"]),
    .target(
      name: "Training",
      dependencies: [
        "GaussNewton", "Networks", "Datasets", "LinearAlgebra", "MPI", "Supervision", "CSystem", "CZlib", "Yams",
      ],
      resources: [.embedInCode("Report/report.css"), .embedInCode("Report/report.js")]),
    .target(
      name: "Study",
      dependencies: ["Training", "GaussNewton", "Networks", "Datasets", "LinearAlgebra", "MPI", "Yams"]),
    .target(
      name: "Tuning", dependencies: ["Training", "GaussNewton", "Networks", "Datasets", "LinearAlgebra", "MPI"],
      swiftSettings: unoptimized),
    .target(name: "Supervision", dependencies: ["CSystem"], swiftSettings: unoptimized),
    .executableTarget(
      name: "fgn-dist",
      dependencies: [
        "Training", "Study", "Tuning", "Supervision", "CSystem",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: unoptimized),

    .target(name: "TestSupport", dependencies: ["MPI", "LinearAlgebra", "CZlib"], path: "Tests/TestSupport"),
    .testTarget(name: "MPITests", dependencies: ["MPI", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(name: "GaussNewtonTests", dependencies: ["GaussNewton", "TestSupport"]),
    .testTarget(name: "TrainingTests", dependencies: ["Training", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(
      name: "CommandLineTests", dependencies: ["fgn-dist", "Training", "Datasets", "Supervision", "TestSupport"],
      swiftSettings: unoptimized),
  ] + testsWithoutMPI,
  swiftLanguageModes: [.v6],
)
