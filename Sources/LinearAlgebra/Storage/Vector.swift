import Glibc

/// A contiguous run of numbers with the semantics of a NumPy array: copies of the value and slices share one storage,
/// which lives as long as any of them.
///
/// Scratch that is written in place is the normal case, so writing needs no `var`. Use `copy()` for an independent
/// value.
public struct Vector<Scalar: BLASScalar> {
  private let storage: Storage<Scalar>
  private let base: UnsafeMutablePointer<Scalar>
  public let count: Int

  /// `count` zeros.
  public init(zeros count: Int) {
    precondition(count >= 0, "a vector has no negative count")
    storage = Storage(count)
    base = storage.base
    self.count = count
  }

  public init(_ elements: [Scalar]) {
    self.init(zeros: elements.count)
    elements.withUnsafeBufferPointer { elements in
      if let start = elements.baseAddress { base.update(from: start, count: elements.count) }
    }
  }

  private init(storage: Storage<Scalar>, base: UnsafeMutablePointer<Scalar>, count: Int) {
    self.storage = storage
    self.base = base
    self.count = count
  }

  @inline(__always)
  public subscript(index: Int) -> Scalar {
    get {
      precondition(index >= 0 && index < count, "index out of range")
      return base[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "index out of range")
      base[index] = newValue
    }
  }

  /// The elements of `range`, sharing storage.
  public subscript(range: Range<Int>) -> Vector {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range out of bounds")
    return Vector(storage: storage, base: base + range.lowerBound, count: range.count)
  }

  /// Calls `body` with the elements; the buffer must not outlive the call.
  @inline(__always)
  public func withElements<Result, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Scalar>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { extendLifetime(storage) }
    return try body(UnsafeMutableBufferPointer(start: base, count: count))
  }

  /// An independent vector with the same elements.
  public func copy() -> Vector {
    let result = Vector(zeros: count)
    result.assign(self)
    return result
  }

  /// self ← other.
  public func assign(_ other: Vector) {
    precondition(other.count == count, "vectors differ in count")
    if base == other.base { return }
    assert(isDisjoint(from: other), "threads would read what others have written")
    Threads.parallel(count, grain: 1 << 17) { range in
      // The copy is of bytes: typed updates in generic code go through a witness for each element.
      UnsafeMutableRawPointer(base + range.lowerBound)
        .copyMemory(from: other.base + range.lowerBound, byteCount: range.count * MemoryLayout<Scalar>.stride)
    }
    extendLifetime(other.storage)
  }

  /// Each element of self ← value.
  public func fill(_ value: Scalar) {
    Threads.parallel(count, grain: 1 << 17) { range in
      if value.isZero {
        clear(base + range.lowerBound, range.count)
      } else {
        Scalar.fill(base + range.lowerBound, value, range.count)
      }
    }
  }

  /// Whether both are the same numbers in memory.
  package func isSame(as other: Vector) -> Bool { base == other.base && count == other.count }

  /// Whether self shares no memory with any of the others.
  func isDisjoint(from others: Vector...) -> Bool {
    withElements { own in others.allSatisfy { $0.withElements { own.isDisjoint(from: $0) } } }
  }

  public var array: [Scalar] { withElements { Array($0) } }
}

/// A dense matrix in row-major order without gaps, over shared storage like `Vector`.
public struct Matrix<Scalar: BLASScalar> {
  /// All elements, row after row: rows · columns numbers.
  public let elements: Vector<Scalar>
  public let rows: Int
  public let columns: Int

  public init(zeros rows: Int, _ columns: Int) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    if overflow { MemoryLimit.fail(nil) }
    self.init(Vector(zeros: count), rows, columns)
  }

  /// The matrix whose rows are consecutive in `elements` (shared).
  public init(_ elements: Vector<Scalar>, _ rows: Int, _ columns: Int) {
    precondition(elements.count == rows * columns, "a \(rows) × \(columns) matrix has \(rows * columns) elements")
    self.elements = elements
    self.rows = rows
    self.columns = columns
  }

  public subscript(row: Int, column: Int) -> Scalar {
    get {
      precondition(column >= 0 && column < columns, "column out of range")
      return elements[row * columns + column]
    }
    nonmutating set {
      precondition(column >= 0 && column < columns, "column out of range")
      elements[row * columns + column] = newValue
    }
  }

  /// Row `row`, sharing storage.
  public subscript(row row: Int) -> Vector<Scalar> { elements[row * columns..<(row + 1) * columns] }

  /// The rows of `range`, sharing storage.
  public subscript(rows range: Range<Int>) -> Matrix {
    Matrix(elements[range.lowerBound * columns..<range.upperBound * columns], range.count, columns)
  }

  /// A transposed copy, columns × rows.
  public func transposed() -> Matrix {
    let result = Matrix(zeros: columns, rows)
    elements.withElements { source in
      result.elements.withElements { target in
        guard let x = source.baseAddress, let y = target.baseAddress else { return }
        Scalar.transpose(x, rows: rows, columns: columns, into: y)
      }
    }
    return result
  }
}

/// The owner of one allocation, aligned to a cache line.
private final class Storage<Scalar: BLASScalar> {
  let base: UnsafeMutablePointer<Scalar>

  init(_ count: Int) {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Scalar>.stride)
    var bytes: UnsafeMutableRawPointer?
    guard !overflow, byteCount <= MemoryLimit.bytes, posix_memalign(&bytes, 64, max(64, byteCount)) == 0, let bytes
    else {
      MemoryLimit.fail(overflow ? nil : byteCount)
    }
    base = bytes.bindMemory(to: Scalar.self, capacity: count)
    clear(base, count)
  }

  deinit { free(base) }
}

/// Writes zeros, which are zero bytes.
private func clear<Scalar: BLASScalar>(_ base: UnsafeMutablePointer<Scalar>, _ count: Int) {
  memset(base, 0, count * MemoryLayout<Scalar>.stride)
}

extension Vector {
  /// Ensures room for `count` numbers, whose values are unspecified.
  package mutating func grow(to count: Int) {
    if self.count < count { self = Vector(zeros: count) }
  }
}
