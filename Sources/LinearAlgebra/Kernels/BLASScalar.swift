/// The number types of BLAS: `Float` and `Double`.
///
/// The requirements, grouped in families, are the loops and library calls that differ by type, over raw memory. They
/// are concrete for each type, so that generic callers in other modules lose no speed without specialisation. Callers
/// use the checked functions on `Vector` and `Matrix` (`BLAS.swift`, `LAPACK.swift`, `VectorMath.swift`,
/// `Windows.swift`, …).
public protocol BLASScalar: MatrixKernels, VectorKernels, UpdateKernels, ImageKernels, NormalizationKernels,
  SparseKernels, TargetKernels, BitwiseCopyable, Sendable, Codable
{}

@_documentation(visibility: internal)
extension Float: BLASScalar {}
@_documentation(visibility: internal)
extension Double: BLASScalar {}
