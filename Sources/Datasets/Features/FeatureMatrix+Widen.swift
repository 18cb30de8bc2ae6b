import LinearAlgebra

/// Rows whose stored values the processor cannot read directly: they are converted as they are gathered, so that no
/// copy of all rows is made.
extension FeatureMatrix {
  /// target ← the normalised rows of `source`.
  func widen(_ source: RowSource, into target: UnsafeMutablePointer<Float>, _ normalization: Normalization) {
    guard let toFloats = element.toFloats else {
      return normalization.withDoubles { widen(source, into: target, $0) }
    }
    normalization.withFloats { map in
      for index in source.part {
        let output = target + index * columns
        toFloats(source.address(at: index), columns, isSwapped ? 1 : 0, output)
        apply(map, to: output, 0..<columns)
      }
    }
  }

  /// target ← the normalised rows of `source`.
  func widen(_ source: RowSource, into target: UnsafeMutablePointer<Double>, _ normalization: Normalization) {
    let toDoubles = element.toDoubles
    normalization.withDoubles { map in
      for index in source.part {
        let output = target + index * columns
        toDoubles(source.address(at: index), columns, isSwapped ? 1 : 0, output)
        apply(map, to: output, 0..<columns)
      }
    }
  }

  /// Gathers in double precision up to the last rounding, a block of columns at a time.
  private func widen(_ source: RowSource, into target: UnsafeMutablePointer<Float>, _ map: ColumnMap<Double>) {
    let toDoubles = element.toDoubles
    withUnsafeTemporaryAllocation(of: Double.self, capacity: min(columns, Self.valuesAtATime)) { room in
      let room = room.baseAddress!
      for index in source.part {
        let (input, output) = (source.address(at: index), target + index * columns)
        for first in stride(from: 0, to: columns, by: Self.valuesAtATime) {
          let part = first..<min(first + Self.valuesAtATime, columns)
          toDoubles(input + first * element.size, part.count, isSwapped ? 1 : 0, room)
          apply(map, to: room, part)
          for column in 0..<part.count { output[first + column] = Float(room[column]) }
        }
      }
    }
  }

  /// Calls `body` with blocks of the values as doubles, in row order.
  func forEachDoubles(of values: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<Double>) -> Void) {
    let (rowSize, toDoubles) = (rowSize, element.toDoubles)
    let rowsAtATime = max(1, Self.valuesAtATime / columns)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: rowsAtATime * columns) { room in
      for start in stride(from: 0, to: values.count, by: rowsAtATime * rowSize) {
        let count = min(rowsAtATime * rowSize, values.count - start) / element.size
        toDoubles(values.baseAddress! + start, count, isSwapped ? 1 : 0, room.baseAddress)
        body(UnsafeBufferPointer(rebasing: room[..<count]))
      }
    }
  }

  private static var valuesAtATime: Int { 1024 }
}

/// values ← the normalised values of the columns `part`. Inlined into concrete callers.
@inline(__always)
private func apply<Work: BLASScalar>(
  _ map: ColumnMap<Work>, to values: UnsafeMutablePointer<Work>, _ part: Range<Int>
) {
  let (first, count) = (part.lowerBound, part.count)
  switch map {
  case .identity: break
  case .scale(let scale):
    for index in 0..<count { values[index] *= scale }
  case .columns(let offsets, let scales):
    for index in 0..<count { values[index] = (values[index] - offsets[first + index]) * scales[first + index] }
  case .columnScales(let scales):
    for index in 0..<count { values[index] *= scales[first + index] }
  }
}
