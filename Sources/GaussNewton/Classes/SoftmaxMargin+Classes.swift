import Glibc
import LinearAlgebra

/// What all ranks know of the logits of rows before they compute margins: z_y, and the largest logit of the other
/// classes (B each).
package struct LogitPeaks {
  package let trueLogits, competitors: [Double]
}

// Margins of rows whose classes ranks share out. All ranks have all rows (B), and of their logits, targets and cotangents
// their own columns (B × #C). The results of a row are the same on all ranks, and those of `assign` on one rank to rounding.
extension SoftmaxMargin {
  /// Computes what `assign` does, on this rank's classes where ranks share them out. It is then collective, with two
  /// exchanges: of the largest logits (2B numbers), and of sums (B; with targets other than labels 2B, and once more 3B).
  package func assign(
    replacing logits: Matrix<Scalar>, targets: Targets<Scalar>, parts: [Range<Int>]? = nil, over classes: ClassShards?
  ) throws {
    guard let classes else { return assign(replacing: logits, targets: targets, parts: parts) }
    try assign(replacing: logits, targets: targets, peaks(of: logits, targets.labels, over: classes), over: classes)
    if !targets.areLabels { try soften(logits, targets, over: classes) }
  }

  /// Computes what `assignScores` does, given the peaks of the logits. Returns for each row Σ exp(z − the largest z) over the
  /// classes but the label. Collective.
  package func assignScores(
    replacing logits: Matrix<Scalar>, targets: Targets<Scalar>, _ peaks: LogitPeaks, over classes: ClassShards
  ) throws -> [Double] {
    let sums = try assign(replacing: logits, targets: targets, peaks, over: classes)
    if !targets.areLabels { for i in 0..<targets.count { losses[i] += gaps[i] } }
    return sums
  }

  /// z_y and the largest other logit of each row. Overwrites z_y. Collective.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func peaks(
    of logits: Matrix<Scalar>, _ labels: ArraySlice<Int32>, over classes: ClassShards
  ) throws -> LogitPeaks {
    var peaks = [Double](repeating: -.infinity, count: 2 * logits.rows)
    peaks.withUnsafeMutableBufferPointer { peaks in
      let peaks = peaks
      logits.forEachRow { i, row in
        if let column = classes.column(of: Int(labels[labels.startIndex + i])) {
          peaks[i] = Double(row[column])
          row[column] = -.infinity
        }
        peaks[logits.rows + i] = Double(row.maximum)
      }
    }
    try classes.maximize(&peaks)
    return LogitPeaks(
      trueLogits: Array(peaks[..<logits.rows]), competitors: Array(peaks[logits.rows...]))
  }

  /// Computes the margins of the labels, p, 1 − p and v, and what ℓ of the targets is above that of the labels. Returns the
  /// sums of `assignScores`. Collective.
  @discardableResult
  private func assign(
    replacing logits: Matrix<Scalar>, targets: Targets<Scalar>, _ peaks: LogitPeaks, over classes: ClassShards
  ) throws -> [Double] {
    precondition(logits.columns == classes.own.count && targets.count == logits.rows, "shapes do not fit")
    let rows = logits.rows
    var sums = [Double](repeating: 0, count: targets.areLabels ? rows : 2 * rows)
    if !targets.areLabels { assignGaps(&sums, logits, targets, peaks, classes) }
    assignExponentials(&sums, logits, peaks)
    try classes.sum(&sums)
    replaceRows(of: logits, targets.labels, peaks, sums, classes)
    assignProbabilities(0..<rows)
    if !targets.areLabels { for i in 0..<rows { gaps[i] = Scalar(sums[rows + i]) } }
    return Array(sums[..<rows])
  }

  /// The first sums ← Σ exp(z − the largest z) over this rank's classes but y; logits ← the terms.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func assignExponentials(_ sums: inout [Double], _ logits: Matrix<Scalar>, _ peaks: LogitPeaks) {
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      logits.forEachRow { i, row in sums[i] = row.assignExponentials(shift: Scalar(peaks.competitors[i])) }
    }
  }

  /// Computes the margins of rows, and replaces the terms of their sums by v.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func replaceRows(
    of logits: Matrix<Scalar>, _ labels: ArraySlice<Int32>, _ peaks: LogitPeaks, _ sums: [Double],
    _ classes: ClassShards
  ) {
    margins.withElements { margins in
      logits.forEachRow { i, row in
        let shift = Scalar(peaks.competitors[i])
        let margin = Scalar(peaks.trueLogits[i]) - (shift + Scalar(log(sums[i])))
        margins[i] = margin.isFinite ? margin : .nan
        row.scale(Scalar(-1 / sums[i]))
        if let column = classes.column(of: Int(labels[labels.startIndex + i])) { row[column] = 1 }
      }
    }
  }

  /// The second sums ← Σ t_c (z_y − z_c) over this rank's classes but y.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func assignGaps(
    _ sums: inout [Double], _ logits: Matrix<Scalar>, _ targets: Targets<Scalar>, _ peaks: LogitPeaks,
    _ classes: ClassShards
  ) {
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      targets.withRows(logits.columns, of: classes.count) { target in
        logits.forEachRow { i, z in
          sums[logits.rows + i] = z.gap(
            below: Scalar(peaks.trueLogits[i]), without: classes.column(of: targets.label(i)), target(i))
        }
      }
    }
  }

  /// Makes ℓ, 1 − p, w and the rows v of the labels those of the targets, as on one rank. Collective.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private func soften(
    _ cotangents: Matrix<Scalar>, _ targets: Targets<Scalar>, over classes: ClassShards
  ) throws {
    let rows = cotangents.rows
    // Σ t, Σ |π − t| and Σ (π − t)²/π.
    var sums = [Double](repeating: 0, count: 3 * rows)
    sums.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      targets.withRows(cotangents.columns, of: classes.count) { target in
        cotangents.forEachRow { i, row in
          let own = row.assignResiduals(
            without: classes.column(of: targets.label(i)), complement: complements[i], target(i))
          (sums[i], sums[rows + i], sums[2 * rows + i]) = (own.total, own.distance, own.square)
        }
      }
    }
    try classes.sum(&sums)
    let all = sums
    cotangents.forEachRow { i, row in
      let own = TargetSums(total: all[i], distance: all[rows + i], square: all[2 * rows + i])
      let (residual, scale) = soften(row: i, own)
      if let column = classes.column(of: targets.label(i)) { row[column] = residual }
      row.scale(scale)
    }
  }
}

extension Matrix {
  /// Calls `body` with each row, on all threads.
  @inline(__always)
  func forEachRow(_ body: (Int, UnsafeMutableBufferPointer<Scalar>) -> Void) {
    elements.withElements { elements in
      Threads.parallel(rows, grain: Swift.max(1, 16384 / Swift.max(1, columns))) { range in
        for i in range { body(i, UnsafeMutableBufferPointer(rebasing: elements[i * columns..<(i + 1) * columns])) }
      }
    }
  }
}
