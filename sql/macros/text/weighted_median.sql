-- The median of values that each stand for a number of rows; an aggregate.
create macro weighted_median(number, weight) as
    list_extract(
        list(number order by number),
        1 + len(
            list_filter(
                list_transform(
                    range(1, count(*) + 1),
                    lambda place: list_sum(list_slice(list(weight order by number), 1, place))
                ),
                lambda sum_so_far: sum_so_far < sum(weight) / 2
            )
        )
    );
