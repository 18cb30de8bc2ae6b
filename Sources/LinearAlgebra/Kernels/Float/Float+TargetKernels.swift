public import CKernels

@_documentation(visibility: internal)
extension Float: TargetKernels {
  public static func targetGap(
    _ z: UnsafePointer<Self>, below a: Self, _ t: TargetRow<Self>, _ n: Int
  ) -> Double {
    fgn_target_gap_f32(z, a, t.kernel, n)
  }

  public static func targetResiduals(
    _ v: UnsafeMutablePointer<Self>, complement: Self, _ t: TargetRow<Self>, _ n: Int, _ sums: inout TargetSums
  ) {
    fgn_target_residuals_f32(v, complement, t.kernel, n, &sums)
  }

  public static func targetProbabilities(
    _ v: UnsafePointer<Self>, distance: Self, _ t: TargetRow<Self>, into p: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double {
    fgn_target_probabilities_f32(v, distance, t.kernel, p, n)
  }
}

extension TargetRow<Float> {
  fileprivate var kernel: fgn_targets_f32 { fgn_targets_f32(base: base, keep: keep, x: x) }
}
