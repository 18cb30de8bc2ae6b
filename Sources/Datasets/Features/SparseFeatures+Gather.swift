import LinearAlgebra

extension SparseFeatures {
  /// The normalised rows `rows`, #rows.count × columns, in that order. Values are normalised in double precision and
  /// then rounded.
  ///
  /// - Precondition: the normalization keeps zeros.
  package func gather<Scalar: BLASScalar>(
    rows: some Collection<Int>, as _: Scalar.Type = Scalar.self, normalization: Normalization
  ) -> CSRMatrix<Scalar> {
    precondition(normalization.keepsZeros, "zeros have to stay zeros")
    precondition(normalization.fits(columns: columns), "the normalization has another number of columns")
    let rows = Array(rows)
    precondition(rows.allSatisfy { $0 >= 0 && $0 < self.rows }, "row out of range")
    var result: CSRMatrix<Scalar>?
    normalization.withDoubles { map in
      result =
        element == .float32 ? gather(rows, Float.self, Scalar.self, map) : gather(rows, Double.self, Scalar.self, map)
    }
    return result!
  }

  @specialized(where Source == Float, Target == Float)
  @specialized(where Source == Float, Target == Double)
  @specialized(where Source == Double, Target == Float)
  @specialized(where Source == Double, Target == Double)
  private func gather<Source: BLASScalar, Target: BLASScalar>(
    _ rows: [Int], _: Source.Type, _: Target.Type, _ map: ColumnMap<Double>
  ) -> CSRMatrix<Target> {
    withStorage(as: Source.self) { places, indices, values in
      var rowStarts = [0]
      rowStarts.reserveCapacity(rows.count + 1)
      for row in rows { rowStarts.append(rowStarts.last! + places[row].count) }
      let count = rowStarts.last!
      let targets = Vector<Target>(zeros: count)
      let columns = [Int32](unsafeUninitializedCapacity: count) { columns, initialized in
        targets.withElements { targets in
          var next = 0
          for row in rows {
            for index in places[row] {
              columns[next] = indices[index]
              let value = Double(values[index])
              switch map {
              case .identity: targets[next] = Target(value)
              case .scale(let scale): targets[next] = Target(value * scale)
              case .columnScales(let scales), .columns(_, let scales):
                targets[next] = Target(value * scales[Int(indices[index])])
              }
              next += 1
            }
          }
        }
        initialized = count
      }
      return CSRMatrix(rowStarts: rowStarts, entryColumns: columns, values: targets, columns: self.columns)
    }
  }
}
