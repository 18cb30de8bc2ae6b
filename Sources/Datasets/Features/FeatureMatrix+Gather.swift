import LinearAlgebra

extension FeatureMatrix {
  /// target ← the normalised rows `rows`, #rows.count × columns, in that order.
  ///
  /// 32-bit and longer integers and Float64 are normalised in double precision and then rounded; other types are
  /// normalised in the target's precision. Integers beyond ±2^53 are rounded to doubles first.
  package func gather<Scalar: BLASScalar>(
    rows: some Collection<Int>, into target: Matrix<Scalar>, normalization: Normalization
  ) {
    let selected: Void? = rows.withContiguousStorageIfAvailable {
      transform(.list($0), into: target, normalization)
    }
    if selected == nil { gather(rows: Array(rows), into: target, normalization: normalization) }
  }

  /// target ← the normalised rows of a range, #rows.count × columns.
  package func gather<Scalar: BLASScalar>(
    rows: Range<Int>, into target: Matrix<Scalar>, normalization: Normalization
  ) {
    transform(.range(rows), into: target, normalization)
  }

  private func transform<Scalar: BLASScalar>(
    _ rows: RowSelection, into target: Matrix<Scalar>, _ normalization: Normalization
  ) {
    precondition(target.rows == rows.count && target.columns == columns, "the target has another shape than the rows")
    precondition(normalization.fits(columns: columns), "the normalization has another number of columns")
    defer { extendLifetime(pieces) }
    pieces.withUnsafeBufferPointer { pieces in
      Threads.parallel(rows.count, grain: max(1, 1 << 15 / max(1, columns))) { part in
        let source = RowSource(
          rows: rows, part: part, available: self.rows, columns: columns, rowSize: rowSize, base: pieces[0].base,
          pieces: pieces)
        transform(source, into: target, normalization)
      }
    }
  }

  private func transform<Scalar: BLASScalar>(
    _ source: RowSource, into target: Matrix<Scalar>, _ normalization: Normalization
  ) {
    target.elements.withElements { elements in
      guard let output = UnsafeMutableRawPointer(elements.baseAddress) else { return }
      // The generic code ends here: an unspecialised inner loop is a hundred times slower than these calls.
      if Scalar.self == Float.self {
        let output = output.assumingMemoryBound(to: Float.self)
        switch element {
        case .uint8: normalization.withFloats { fill(output, from: source, UInt8.self, $0, { Float($0) }, { $0 }) }
        case .float32 where isInPlace:
          normalization.withFloats { fill(output, from: source, Float.self, $0, { $0 }, { $0 }) }
        case .float64 where isInPlace:
          normalization.withDoubles { fill(output, from: source, Double.self, $0, { $0 }, { Float($0) }) }
        default: widen(source, into: output, normalization)
        }
      } else {
        precondition(Scalar.self == Double.self, "rows are gathered as Float or Double")
        let output = output.assumingMemoryBound(to: Double.self)
        switch element {
        case .uint8: normalization.withDoubles { fill(output, from: source, UInt8.self, $0, { Double($0) }, { $0 }) }
        case .float32 where isInPlace:
          normalization.withDoubles { fill(output, from: source, Float.self, $0, { Double($0) }, { $0 }) }
        case .float64 where isInPlace:
          normalization.withDoubles { fill(output, from: source, Double.self, $0, { $0 }, { $0 }) }
        default: widen(source, into: output, normalization)
        }
      }
    }
  }

  /// Whether the stored values are aligned and in the processor's byte order, so that loops can read them directly.
  var isInPlace: Bool { isAligned && !isSwapped }
}

/// The rows to gather.
enum RowSelection {
  case range(Range<Int>)
  case list(UnsafeBufferPointer<Int>)

  var count: Int {
    switch self {
    case .range(let rows): rows.count
    case .list(let rows): rows.count
    }
  }

  subscript(index: Int) -> Int {
    switch self {
    case .range(let rows): rows.lowerBound + index
    case .list(let rows): rows[index]
    }
  }
}

/// The storage from which rows of a matrix are gathered.
struct RowSource {
  let rows: RowSelection
  /// The indices into `rows` of the rows that this call gathers.
  let part: Range<Int>
  let available: Int
  let columns: Int
  let rowSize: Int
  /// The address of the first piece; most sets have no other.
  let base: UnsafeRawPointer
  let pieces: UnsafeBufferPointer<FeatureMatrix.Piece>

  /// The address of the row with the number `index` in `rows`.
  @inline(__always)
  func address(at index: Int) -> UnsafeRawPointer {
    let row = rows[index]
    precondition(row >= 0 && row < available, "row out of range")
    return pieces.count == 1 ? base + row * rowSize : addressInPieces(of: row)
  }

  @inline(never)
  private func addressInPieces(of row: Int) -> UnsafeRawPointer {
    let piece = pieces[pieces.index(of: row)]
    return piece.base + (row - piece.rows.lowerBound) * rowSize
  }
}

/// Inlined into each of its six concrete calls.
@inline(__always)
private func fill<Source: BitwiseCopyable, Work: BLASScalar, Target: BLASScalar>(
  _ target: UnsafeMutablePointer<Target>, from source: RowSource, _: Source.Type, _ map: ColumnMap<Work>,
  _ widen: (Source) -> Work, _ narrow: (Work) -> Target
) {
  let columns = source.columns
  for index in source.part {
    let input = source.address(at: index).assumingMemoryBound(to: Source.self)
    let output = target + index * columns
    switch map {
    case .identity:
      for column in 0..<columns { output[column] = narrow(widen(input[column])) }
    case .scale(let scale):
      for column in 0..<columns { output[column] = narrow(widen(input[column]) * scale) }
    case .columns(let offsets, let scales):
      for column in 0..<columns {
        output[column] = narrow((widen(input[column]) - offsets[column]) * scales[column])
      }
    case .columnScales(let scales):
      for column in 0..<columns { output[column] = narrow(widen(input[column]) * scales[column]) }
    }
  }
}
