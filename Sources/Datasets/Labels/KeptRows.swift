import LinearAlgebra

/// The rows that a set keeps, of all rows of its files.
package struct KeptRows: Codable, Equatable, Sendable {
  package let total: Int
  package let rows: [Int]

  /// The kept ones of values that belong to all rows of the files.
  package func select<Value>(_ values: [Value]) -> [Value] { rows.map { values[$0] } }
}

extension Dataset {
  /// The examples that are not marked as ignored; dense rows stay in place. Throws exit code 65 where none is left, or
  /// where there is no memory for sparse rows.
  package func leavingOutIgnored(_ path: String) throws(DataError) -> Dataset {
    guard labels.contains(IgnoredLabel.mark) else { return self }
    let rows = labels.indices.filter { labels[$0] != IgnoredLabel.mark }
    guard !rows.isEmpty else {
      throw .badContents(path, "has no examples but those of data.ignore_label; correct it, or set it to null")
    }
    let kept = KeptRows(total: count, rows: rows)
    // All facts about the files stay.
    var set = self
    (set.features, set.labels, set.kept) = (try features.selecting(rows), kept.select(labels), kept)
    if !isClassCountGiven { set.classCount = Dataset(features: set.features, labels: set.labels).classCount }
    set.featureFiles = featureFiles?.keeping(kept)
    set.labelFiles = labelFiles?.keeping(kept)
    return set
  }
}

extension Features {
  /// The rows `rows`, in that order. Throws exit code 65.
  fileprivate func selecting(_ rows: [Int]) throws(DataError) -> Features {
    switch self {
    case .dense(let matrix): .dense(matrix.selecting(rows))
    case .sparse(let matrix): .sparse(try matrix.selecting(rows))
    }
  }
}

extension FeatureMatrix {
  /// The rows `rows`, in that order and in place.
  fileprivate func selecting(_ rows: [Int]) -> FeatureMatrix {
    var parts: [Piece] = []
    var (first, piece) = (0, 0)
    while first < rows.count {
      while rows[first] >= pieces[piece].rows.upperBound { piece += 1 }
      let source = pieces[piece]
      var end = first + 1
      while end < rows.count, rows[end] == rows[end - 1] + 1, rows[end] < source.rows.upperBound { end += 1 }
      parts.append(
        Piece(
          rows: first..<end, base: source.base + (rows[first] - source.rows.lowerBound) * rowSize, owner: source.owner))
      first = end
    }
    return like(rows: rows.count, parts)
  }
}

extension SparseFeatures {
  /// A copy of the rows `rows`, in that order. Throws exit code 65 where there is no memory for it.
  fileprivate func selecting(_ rows: [Int]) throws(DataError) -> SparseFeatures {
    element == .float32 ? try selecting(rows, Float.self) : try selecting(rows, Double.self)
  }

  private func selecting<Scalar: BLASScalar>(_ rows: [Int], _: Scalar.Type) throws(DataError) -> SparseFeatures {
    try withStorage(as: Scalar.self) { starts, columns, values throws(DataError) in
      let count = rows.reduce(0) { $0 + starts[$1 + 1] - starts[$1] }
      let storage = try SparseStorage<Scalar>(rows: rows.count, values: count, path)
      var next = 0
      for (index, row) in rows.enumerated() {
        for place in starts[row]..<starts[row + 1] {
          storage.indices[next] = columns[place]
          storage.values[next] = values[place]
          next += 1
        }
        storage.starts[index + 1] = next
      }
      return SparseFeatures(storage, rows: rows.count, columns: self.columns, path)
    }
  }
}
