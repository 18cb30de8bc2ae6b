public import CKernels

/// Σ t, Σ |π − t| and Σ (π − t)²/π over some classes of a row.
@_documentation(visibility: internal)
public typealias TargetSums = fgn_target_sums

/// The targets t = base + keep·x of some classes of a row, or base where x is nil.
@_documentation(visibility: internal)
public struct TargetRow<Scalar> {
  let base, keep: Scalar
  let x: UnsafePointer<Scalar>?

  package init(base: Scalar, keep: Scalar, x: UnsafePointer<Scalar>?) {
    self.base = base
    self.keep = keep
    self.x = x
  }

  /// The targets of the classes from `first` on.
  package func dropFirst(_ first: Int) -> TargetRow { TargetRow(base: base, keep: keep, x: x.map { $0 + first }) }
}

/// Passes over the classes of one row, its label left out, where the target is a distribution. A family of
/// `BLASScalar`.
@_documentation(visibility: internal)
public protocol TargetKernels: BinaryFloatingPoint {
  /// Σ t·(a − z); a class of target 0 counts nothing, whatever its z.
  static func targetGap(_ z: UnsafePointer<Self>, below a: Self, _ t: TargetRow<Self>, _ n: Int) -> Double
  /// v ← π − t where π = −complement·v before; adds to the sums.
  static func targetResiduals(
    _ v: UnsafeMutablePointer<Self>, complement: Self, _ t: TargetRow<Self>, _ n: Int, _ sums: inout TargetSums)
  /// p ← t − distance·v, but not below 0; returns their sum.
  static func targetProbabilities(
    _ v: UnsafePointer<Self>, distance: Self, _ t: TargetRow<Self>, into p: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double
}
