import GaussNewton

extension SolverPlan {
  /// The expectation in words for the user: seconds if they were measured, otherwise costs relative to the chosen
  /// solver.
  func summary(_ kind: SolverOptions.Kind, isOld: Bool) -> String {
    let reason = isOld ? "as planned before" : isMeasured ? "measured" : "model"
    let kinds = [SolverOptions.Kind.cg, .gram, .gramCG]
    let costs =
      isMeasured
      ? kinds.map { "\($0.rawValue) \((1000 * seconds($0)).short) ms" }.joined(separator: ", ") + " a step"
      : kinds.filter { $0 != kind }.map { "\($0.rawValue) costs \((seconds($0) / seconds(kind)).short)" }
        .joined(separator: ", ") + " times as much"
    return "\(reason): \(costs), with \(iterations.short) iterations of cg"
  }
}
