import LinearAlgebra

/// A fraction of the rows of a training set that is kept for validation: a pure function of (seed, labels).
///
/// Each class gives the fraction of its rows, rounded up or down so that all together give the fraction of all, and
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
    var order = Array(labels.indices)
    generator.shuffle(&order)

    // The rows class by class, at random within a class.
    let sizes = labels.counts(below: classCount)
    var ends = sizes.reduce(into: [0]) { $0.append($0.last! + $1) }
    var rows = order
    for row in order {
      let label = Int(labels[row])
      rows[ends[label]] = row
      ends[label] += 1
    }

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
    training = labels.indices.filter { !isHeldOut[$0] }
    validation = labels.indices.filter { isHeldOut[$0] }
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
          + "it, or name examples in data.validation.features")
    }
    return (try selecting(rows.training), try selecting(rows.validation))
  }
}
