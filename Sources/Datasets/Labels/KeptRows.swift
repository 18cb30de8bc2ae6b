import LinearAlgebra

/// The rows that a set keeps, of all rows of its files.
package struct KeptRows: Codable, Equatable, Sendable {
  package let total: Int
  package let rows: [Int]

  /// The kept ones of values that belong to all rows of the files.
  package func select<Value>(_ values: [Value]) -> [Value] { rows.map { values[$0] } }

  /// What `rows` of these rows are among all rows of the files.
  func keeping(_ rows: [Int]) -> KeptRows { KeptRows(total: total, rows: rows.map { self.rows[$0] }) }
}

extension Dataset {
  /// The examples that are not marked as ignored, in place. Throws exit code 65 where none is left, or where there is no
  /// memory for the places of sparse rows.
  package func leavingOutIgnored(_ path: String) throws(DataError) -> Dataset {
    guard labels.contains(IgnoredLabel.mark) else { return self }
    let rows = labels.indices.filter { labels[$0] != IgnoredLabel.mark }
    guard !rows.isEmpty else {
      throw .badContents(path, "has no examples but those of data.ignore_label; correct it, or set it to null")
    }
    var set = try selecting(rows)
    if !isClassCountGiven { set.classCount = Dataset(features: set.features, labels: set.labels).classCount }
    return set
  }

  /// The examples `rows`, which increase, in place. All facts about the files and the classes stay. Throws exit code 65.
  func selecting(_ rows: [Int]) throws(DataError) -> Dataset {
    let selected = kept?.keeping(rows) ?? KeptRows(total: count, rows: rows)
    var set = self
    (set.features, set.labels, set.kept) = (try features.selecting(rows), rows.map { labels[$0] }, selected)
    set.probabilities = probabilities.map { ClassProbabilities(checked: $0.values.selecting(rows)) }
    set.featureFiles = featureFiles?.keeping(selected)
    set.labelFiles = labelFiles?.keeping(selected)
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
