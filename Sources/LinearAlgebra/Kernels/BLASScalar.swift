/// The number types that BLAS knows: `Float` and `Double`.
///
/// The requirements are the loops and library calls that differ by type, over raw memory, in families: concrete code for each
/// type, so that generic callers in other modules lose nothing where they are not specialised. Callers use the checked functions
/// on `Vector` and `Matrix` (`BLAS.swift`, `LAPACK.swift`, `VectorMath.swift`, `Windows.swift`, …).
package protocol BLASScalar: MatrixKernels, VectorKernels, UpdateKernels, ImageKernels, NormalizationKernels,
  SparseKernels, BitwiseCopyable, Sendable, Codable
{}

extension Float: BLASScalar {}
extension Double: BLASScalar {}
