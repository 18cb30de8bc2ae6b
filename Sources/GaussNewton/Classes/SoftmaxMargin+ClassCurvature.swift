import LinearAlgebra

// The full curvature at logits whose columns ranks share out; see `SoftmaxMargin+Curvature.swift` for what is computed.
extension SoftmaxMargin {
  /// Of the tangent ż of a row: ż_y, and over the other classes Σ p, Σ pż and Σ pż²; q in the place of p, and Σ q = 1, where
  /// the target is the label.
  private struct Moments {
    var trueTangent = 0.0, total = 0.0, first = 0.0, second = 0.0

    /// qᵀż
    var mean: Double { total > 0 ? first / total : 0 }
    /// Σ q ż² − (qᵀż)²
    var variance: Double { total > 0 ? max(0, second / total - mean * mean) : 0 }
  }

  /// Each row ż of `tangents` (B × #C) ← ω(diag(π) − ππᵀ)ż/B, given v (B × #C). One exchange of 4B numbers. Collective.
  package func applyFullCurvature(
    to tangents: Matrix<Scalar>, cotangents: Matrix<Scalar>, targets: Targets<Scalar>, batchSize: Int,
    over classes: ClassShards
  ) throws {
    let moments = try moments(tangents, cotangents, targets, classes)
    applyCurvature(moments, to: tangents, cotangents, targets, scale: 1 / Double(batchSize), classes)
  }

  /// Σ ω żᵀ(diag(π) − ππᵀ)ż over all rows: the full Gauss-Newton curvature along the logit tangents ż (B × #C), given v
  /// (B × #C). One exchange of 4B numbers. Collective.
  package func fullCurvatureSum(
    cotangents: Matrix<Scalar>, tangents: Matrix<Scalar>, targets: Targets<Scalar>, over classes: ClassShards
  ) throws -> Double {
    let moments = try moments(tangents, cotangents, targets, classes)
    return moments.enumerated().reduce(0) { sum, row in
      let (i, m) = row
      let complement = complementOfLabel(i, targets, m)
      let along = m.trueTangent - m.mean
      let curvature = Double(probabilities[i]) * complement * along * along + complement * m.variance
      return sum + Double(weight(i)) * curvature
    }
  }

  /// 1 − p of a row's label.
  private func complementOfLabel(_ row: Int, _ targets: Targets<Scalar>, _ moments: Moments) -> Double {
    targets.areLabels ? Double(complements[row]) : moments.total
  }

  /// The moments of all rows. Collective.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func moments(
    _ tangents: Matrix<Scalar>, _ cotangents: Matrix<Scalar>, _ targets: Targets<Scalar>, _ classes: ClassShards
  ) throws -> [Moments] {
    let rows = cotangents.rows
    var sums = [Double](repeating: 0, count: 4 * rows)
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      forEachRow(tangents, cotangents, targets, classes) { i, column, p, z in
        var own = Moments()
        if let column {
          own.trueTangent = Double(z[column])
          z[column] = 0
        }
        // Competitors have −q or π here; z_y counts nothing.
        let sign: Double = targets.areLabels ? -1 : 1
        let (first, second) = p.weightedMoments(z)
        (own.first, own.second) = (sign * first, sign * second)
        if let column { z[column] = Scalar(own.trueTangent) }
        own.total = targets.areLabels ? 0 : p.reduce(0) { $0 + Double($1) }
        (sums[i], sums[rows + i], sums[2 * rows + i], sums[3 * rows + i]) =
          (own.trueTangent, own.total, own.first, own.second)
      }
    }
    try classes.sum(&sums)
    return (0..<rows).map { i in
      Moments(
        trueTangent: sums[i], total: targets.areLabels ? 1 : sums[rows + i], first: sums[2 * rows + i],
        second: sums[3 * rows + i])
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func applyCurvature(
    _ moments: [Moments], to tangents: Matrix<Scalar>, _ cotangents: Matrix<Scalar>, _ targets: Targets<Scalar>,
    scale: Double, _ classes: ClassShards
  ) {
    forEachRow(tangents, cotangents, targets, classes) { i, column, p, z in
      let m = moments[i]
      let complement = complementOfLabel(i, targets, m)
      let own = scale * Double(weight(i))
      let common = own * Double(probabilities[i]) * complement * (m.trueTangent - m.mean)
      if !targets.areLabels { p.scale(m.total > 0 ? Scalar(-1 / m.total) : 0) }
      z.assignCurvature(
        p, common: Scalar(common), complement: Scalar(own * complement), mean: Scalar(m.mean))
      if let column { z[column] = Scalar(common) }
    }
  }

  /// Calls `body` with the tangents of each row, the column of its label, and what the competitors have: −q, and any number
  /// for the label; or for other targets π in memory of the call, and 0 for the label.
  @inline(__always)
  private func forEachRow(
    _ tangents: Matrix<Scalar>, _ cotangents: Matrix<Scalar>, _ targets: Targets<Scalar>, _ classes: ClassShards,
    _ body: (Int, Int?, UnsafeMutableBufferPointer<Scalar>, UnsafeMutableBufferPointer<Scalar>) -> Void
  ) {
    let columns = cotangents.columns
    targets.withRows(columns, of: classes.count) { target in
      tangents.elements.withElements { tangents in
        cotangents.forEachRow { i, v in
          let z = UnsafeMutableBufferPointer(rebasing: tangents[i * columns..<(i + 1) * columns])
          let column = classes.column(of: targets.label(i))
          if targets.areLabels { return body(i, column, v, z) }
          withUnsafeTemporaryAllocation(of: Scalar.self, capacity: columns) { p in
            _ = p.assignProbabilities(without: column, of: v, distance: complements[i], target(i))
            if let column { p[column] = 0 }
            body(i, column, p, z)
          }
        }
      }
    }
  }
}
