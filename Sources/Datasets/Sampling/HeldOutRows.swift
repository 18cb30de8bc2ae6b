import LinearAlgebra

/// Rows of a training set that are kept for validation, a fraction or a fold: a pure function of (seed, labels).
///
/// Of a fraction, each class gives its part of its rows, rounded up or down so that all together give the fraction of all, and
/// keeps at least one: the only row of a class is never held out.
package struct HeldOutRows: Equatable, Sendable {
  /// The rows for training, in their order.
  package let training: [Int]
  /// The rows that are held out, in their order.
  package let validation: [Int]

  /// - Precondition: 0 < fraction < 1, and labels are class numbers below `classCount`.
  package init(_ fraction: Double, of labels: [Int32], classCount: Int, seed: UInt64) {
    precondition(fraction > 0 && fraction < 1, "a fraction of the rows")
    var generator = SplitMix64(seed: seed, stream: .max - 1)
    let offset = generator.nextUniform()
    let sizes = labels.counts(below: classCount)
    let rows = labels.shuffledByClass(below: classCount, by: &generator)

    // Systematic sampling: in every stretch of this sequence the share held out is the fraction, up to one row.
    var isHeldOut = [Bool](repeating: false, count: labels.count)
    var (next, place) = (0, 0)
    for size in sizes {
      if size > 1 {
        var left = size - 1
        for row in rows[next..<next + size] {
          let isDue =
            (Double(place + 1) * fraction + offset).rounded(.down) > (Double(place) * fraction + offset).rounded(.down)
          place += 1
          if isDue, left > 0 {
            isHeldOut[row] = true
            left -= 1
          }
        }
      }
      next += size
    }
    self.init(isHeldOut)
  }

  init(_ isHeldOut: [Bool]) {
    training = isHeldOut.indices.filter { !isHeldOut[$0] }
    validation = isHeldOut.indices.filter { isHeldOut[$0] }
  }
}

extension Dataset {
  /// The training set and the validation set that a fraction of its rows is, both in place. Labels must be class numbers
  /// below `classCount`. Throws exit code 65 where the fraction holds out no row, or where there is no memory for the
  /// places of sparse rows.
  package func holdingOut(
    _ fraction: Double, classCount: Int, seed: UInt64, _ path: String
  ) throws(DataError) -> (training: Dataset, validation: Dataset) {
    let rows = HeldOutRows(fraction, of: labels, classCount: classCount, seed: seed)
    guard !rows.validation.isEmpty else {
      throw .badContents(
        path,
        "has \(count) examples, of which data.validation.fraction \(fraction) holds out none (a class keeps one); raise "
          + "it, name examples in data.validation.features, or take tune --folds")
    }
    return try holdingOut(rows)
  }

  func holdingOut(_ rows: HeldOutRows) throws(DataError) -> (training: Dataset, validation: Dataset) {
    (try selecting(rows.training), try selecting(rows.validation))
  }
}
