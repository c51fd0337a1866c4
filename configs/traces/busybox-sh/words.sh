first=alpha second=beta third=gamma
(for word in $first $second $third; do echo $word; done | while read line; do last=$line; done) &
for word in $third $second $first; do kept=$word$kept; done
wait
