import Glibc
import LinearAlgebra
import MPI
import Networks

/// The candidates of a sweep over λ, and the choice among them.
enum DampingSweep {
  /// One row of this many in a batch is held out: the rows that a step was made for cannot judge it.
  static let heldOutFraction = 8

  /// λ and its neighbours within the bounds; the first sweep tries many, so that the initial λ does not matter.
  static func candidates(around λ: Double, isFirst: Bool, _ options: Damping.Options) -> [Double] {
    let reach = isFirst ? 8 : 1
    let all = (-reach...reach).map { options.bounded(λ * exp2(Double($0))) }
    return all.indices.filter { $0 == 0 || all[$0] != all[$0 - 1] }.map { all[$0] }
  }

  /// The index of the candidate with the smallest objective; nil where none is finite.
  static func best(_ changes: [Double]) -> Int? {
    changes.indices.filter { changes[$0].isFinite }.min { changes[$0] < changes[$1] }
  }
}

extension FastGaussNewton {
  /// Chooses λ by a sweep: solves for the batch without its held-out rows with several λ, by the corresponding part of
  /// K, and takes the λ whose step lowers the objective on the held-out rows the most. λ does not change if no
  /// candidate is finite.
  ///
  /// Without its last rows, a batch is a mean over B' rows: (K' + (λ+μ)B'/B I)x = s' − RΔ₀' with the first B' rows.
  /// Each λ costs the exchange of a step and the forward pass of the held-out rows; with weight decay in a metric also
  /// the matrix, because M then depends on λ. Collective.
  ///
  /// - Parameters: s, RΔ₀ and √(w̃/B) of all rows (B), and a closure that forms K in the current metric. Afterwards RΔ₀
  ///   and K belong to the chosen λ.
  func sweepDamping(
    _ s: Vector<Scalar>, _ t: inout Vector<Scalar>, rowFactors: Vector<Scalar>, _ parameters: Vector<Scalar>,
    assignMatrix: () throws -> Void
  ) throws {
    let size = s.count
    let fitted = size - size / DampingSweep.heldOutFraction
    guard fitted < size else { return }
    let own = exchange.rows.own
    let heldOut = max(0, min(own.count, fitted - own.lowerBound))..<own.count
    let before = damped.damping
    let candidates = DampingSweep.candidates(around: before, isFirst: damped.control.steps == 0, options.damping)

    /// Sets λ; with weight decay, Δ₀ and M depend on it.
    func take(_ λ: Double) throws {
      damped.control.damping = λ
      guard options.weightDecay > 0 else { return }
      if metric.isActive {
        try metric.prepare(decayRatio: decayRatio)
        try assignMatrix()
      }
      t = try predictedAllRows(parameters)
    }

    let (x, product) = (Vector<Scalar>(zeros: size), Vector<Scalar>(zeros: size))
    var sums: [[Double]] = []
    var decays: [Double] = []
    for λ in candidates {
      try take(λ)
      phases.measure(.solve) {
        x.fill(0)
        let r = x[0..<fitted]
        r.assign(s[0..<fitted])
        r.combine(-1, t[0..<fitted])
        gramSolver.solve(first: r, of: gram.matrix, damping: (λ + options.weightDecay) * Double(fitted) / Double(size))
        product.assignSymmetricProduct(gram.matrix, x)
        product.combine(1, t)
      }
      let change = try assignStep(x, rowFactors: rowFactors, parameters)
      let model = StepModel(loss: Quadratic(slope: -s.dot(product), curvature: product.squaredNorm), change)
      let length = try fullCurvature(model).map { StepLength.ggn(slope: model.objective.slope, curvature: $0) } ?? 1
      sums.append(try loss.localChanges(at: length, along: damped.step, from: parameters, rows: heldOut))
      decays.append(model.decay(length))
    }
    let changes = zip(try exchange.totals(sums), decays).map { $0 / Double(size - fitted) + $1 }
    // Rank 0 decides for all ranks.
    let best = try exchange.broadcast(DampingSweep.best(changes).map { candidates[$0] } ?? before)
    try take(best)
  }
}
